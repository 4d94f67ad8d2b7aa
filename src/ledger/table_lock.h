// Tables of sources that somebody has locked.
#pragma once

#include <optional>

#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

// What to say if the statement that failed last waited too long for such a table: its source is to be set
// aside, like one that cannot be read. Nothing if it failed of something else; of the ledger's own lock
// there is another error (lock_ledger() in sql/functions/batch.sql).
[[nodiscard]] std::optional<Error> table_locked(const Ledger& ledger);

}  // namespace pgtally
