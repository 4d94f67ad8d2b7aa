// The SQL that is made for one source: what reads its table for pending(), for a sweep, for a proof.
//
// All of it follows from the definition alone, which is in the log. In the generated functions the
// table is always `t` and its columns are always qualified; inner queries give names to
//   k1, k2, …   the key columns in their own types      t1, t2, …   their output texts
//   v1, v2, …   the covered columns' texts as bytes     tm, hx, x   time, hash column, xid
//
// Spec: docs/formats.md for keys and row hashes; docs/ARCHITECTURE.md for the rules of capture.
#pragma once

#include <string>
#include <vector>

#include "ledger/catalog.h"
#include "pgtally/definition.h"
#include "pgtally/result.h"

namespace pgtally {

// CREATE OR REPLACE FUNCTION … for feed_N, waiting_N and sweep_N, each ended by a semicolon; a source
// that is only swept lacks the first two. `shape` is the table as it is now: key casts come from
// there.
[[nodiscard]] Result<std::string> source_sql(const std::string& schema, std::int32_t source_id,
                                             const SourceDefinition& definition,
                                             const TableShape& shape);

// Drops whichever of them there are.
[[nodiscard]] std::string drop_statements(const std::string& schema, std::int32_t source_id);

// SELECT of the covered columns' output texts (text, NULL where NULL) of the row whose key columns
// have the output texts $1, $2, …; in the order of definition.columns.
[[nodiscard]] Result<std::string> row_query(const SourceDefinition& definition,
                                            const TableShape& shape);

// Whether a source is polled above a high key, with holes, rather than only swept.
[[nodiscard]] bool has_integer_key(const SourceDefinition& definition, const TableShape& shape);

}  // namespace pgtally
