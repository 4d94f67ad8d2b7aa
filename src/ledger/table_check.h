// What a table would be as a source, and what is missing: for `pgtally check`. Changes nothing and
// needs no ledger.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ledger/mode_choice.h"
#include "ledger/source_plan.h"
#include "pgtally/result.h"

namespace pgtally {

struct ModeReport {
  std::string mode;
  std::vector<Obstacle> lacks;  // empty: it could be used
};

struct TableReport {
  std::string table;               // qualified; as it was given where there is none
  std::optional<SourcePlan> plan;  // or
  std::optional<Error> refusal;
  std::vector<ModeReport> modes;  // of a table that there is
};

// Tables that rows are stored in, qualified and in order: of users, not of the ledger or of an
// extension; a partitioned table stands for its partitions.
[[nodiscard]] Result<std::vector<std::string>> list_tables(const SourcePlace& place);

// An error only where the server could not be asked; that the table cannot be a source is a finding.
[[nodiscard]] Result<TableReport> check_table(const SourcePlace& place, CaptureModes modes,
                                              const std::string& table);

}  // namespace pgtally
