// What the writers of all_modes committed, and whether their tables say the same.
#pragma once

#include <vector>

#include "torture/change_writer.h"
#include "torture/source_tables.h"
#include "torture/truth.h"

namespace pgtally::torture {

// Looks up what was in doubt by its receipt. No writer may be at work any more.
[[nodiscard]] Truth find_truth(const Databases& databases, const std::vector<SourceTable>& tables,
                               const std::vector<ChangeRecord>& records);

// Throws unless the tables hold exactly the rows that are left when all changes of the truth are made
// in the order of their versions: so a log that is the truth gives the tables when it is replayed.
// Returns how many rows.
std::uint64_t check_tables(const Databases& databases, const std::vector<SourceTable>& tables,
                           const Truth& truth);

}  // namespace pgtally::torture
