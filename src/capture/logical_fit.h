// Whether a table, as its stream or its catalog describes it, still is what its source's definition
// says; and if not, what the next definition has to say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "capture/change_stream.h"
#include "capture/logical_store.h"
#include "ledger/position_key.h"
#include "ledger/source_plan.h"
#include "pgtally/definition.h"
#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

// The columns of a table under a definition, with the numbers that the catalog gives them.
struct KnownColumns {
  std::vector<std::string> names;
  std::vector<std::int64_t> numbers;
};

struct Fit {
  SourceDefinition definition;
  bool changed = false;  // it is a new one, with the next number
  KnownColumns known;
};

// `source` is a session in the table's database. A new column is covered, a renamed one goes by its
// number in the catalog. kReject says what the source cannot go on without: a key column, say.
[[nodiscard]] Result<Fit> fit_definition(pg::Connection& source, const SourceDefinition& current,
                                         const KnownColumns& known, const StreamedTable& table);

// The table as the catalog has it now: what its stream would say of it. kReject if it is gone.
[[nodiscard]] Result<StreamedTable> table_in_catalog(pg::Connection& source, std::uint32_t oid);
[[nodiscard]] Result<KnownColumns> columns_in_catalog(pg::Connection& source, std::uint32_t oid);

// The table that a source follows: the one that bears its name, or else the one that it knew, which may
// be called otherwise by now. Nothing if there is neither.
[[nodiscard]] Result<std::optional<std::uint32_t>> table_to_follow(pg::Connection& source,
                                                                   const std::string& relation,
                                                                   std::uint32_t known);
// The same for many.
[[nodiscard]] Result<std::vector<std::optional<std::uint32_t>>> tables_to_follow(
    pg::Connection& source, const std::vector<std::string>& relations,
    const std::vector<std::int64_t>& known);
[[nodiscard]] Error table_is_gone(const std::string& relation);
// Has it know that table, whose columns go by their names if it is another one than before.
[[nodiscard]] Result<void> follow(pg::Connection& source, StreamSource& its, std::uint32_t table);

// What the stream can tell of updates and deletes.
struct ChangeTracking {
  bool possible = false;
  std::string obstacle;  // why not
  std::string remedy;    // SQL
  // Covered columns whose value an update that leaves them alone would not bring.
  std::vector<std::string> toasted;
};
[[nodiscard]] Result<ChangeTracking> change_tracking(pg::Connection& source, std::uint32_t oid,
                                                     const SourceDefinition& definition);

// The rest of a plan of mode logical: key, tracking, warnings. Refuses what the stream could not
// bring whole.
[[nodiscard]] Result<void> complete_plan(pg::Connection& source, SourcePlan& plan);

}  // namespace pgtally
