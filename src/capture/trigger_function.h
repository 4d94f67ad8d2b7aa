// The function that the triggers of a source call: trigger_N() in the ledger's schema.
//
// It runs in the application's transaction with the rights of the ledger's owner, and writes one row
// of staging for each row that was inserted, and for each change if changes are tracked. Key and hash
// are made by the expressions that feeds use (ledger/source_text.h).
//
// What it promises the application
//   - It fails no statement for what a row holds, what became of the table's columns, or what is set
//     in the session. What it cannot record is noted in table `missed`, and a sweep brings it later.
//   - It takes no transaction id: the block that catches errors writes nothing. Only a statement that
//     inserts more than kArrayRows rows takes one, because its rows are not kept in memory.
#pragma once

#include <string>

#include "ledger/capture_mode.h"
#include "pgtally/result.h"

namespace pgtally {

// Whether all rows of an INSERT or COPY are taken at once, which is several times cheaper where they
// are many. Not of partitions, which a statement on their parent reaches; nor of subscribers, whose
// workers fire no statement triggers; nor where that needs a trigger for rows with all rows of the
// statement beside it, which PostgreSQL has not for a table that inherits from another.
[[nodiscard]] bool captures_statements(const TableShape& shape, bool track_changes);

// CREATE FUNCTION, and who may call it.
[[nodiscard]] Result<std::string> trigger_function(const TriggerRequest& request);

// The settings that the texts of these columns, or the time, depend on, as clauses of a function:
// each costs microseconds a call, so only those that are needed.
[[nodiscard]] std::string pinned_settings(const SourceDefinition& definition,
                                          const TableShape& shape);

}  // namespace pgtally
