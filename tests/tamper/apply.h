// Carries a kind of tampering out.
#pragma once

#include <vector>

#include "tamper/audited.h"
#include "tamper/kind.h"
#include "tamper/specimen.h"

namespace pgtally::tamper {

// The ids of the kind's entries, and SQL with them in it.
[[nodiscard]] std::vector<std::uint64_t> ids_of(const Specimen& specimen,
                                                const std::string& database,
                                                const std::vector<EntryName>& entries);
[[nodiscard]] std::string with_ids(std::string sql, const std::vector<std::uint64_t>& ids);

[[nodiscard]] std::vector<Sought> sought_of(const std::string& name,
                                            const std::vector<Expected>& expected,
                                            const std::vector<std::uint64_t>& ids);

// On a database that nobody has tampered with in a way that concerns the same keys. What is to be found.
[[nodiscard]] std::vector<Sought> apply(const Specimen& specimen, const std::string& database,
                                        const Kind& kind);
// In the specimen itself, while its stream does not have the table `stock`.
[[nodiscard]] std::vector<Sought> apply_behind_stream(const Specimen& specimen,
                                                      const std::vector<Kind>& kinds);
// In the specimen itself as well: its stream has `stock` without a column from here on, and rows come.
[[nodiscard]] Sought narrow_stream(const Specimen& specimen, const std::string& name);

// Each column of each source, in a row of its own. Keys have kinds of their own.
struct ColumnEdits {
  std::vector<Kind> kinds;
  std::vector<std::pair<std::string, std::string>> not_covered;  // source, column
};
[[nodiscard]] ColumnEdits column_edits(const Specimen& specimen,
                                       const std::vector<std::string>& tables);

}  // namespace pgtally::tamper
