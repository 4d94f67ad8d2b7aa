// The state that a session has to be in before pgtally reads rows or hashes over it.
//
// Pinned output formats, so that values read the same everywhere; row_security off, so that a policy
// which hides rows is an error and not an omission; a search_path with nothing of the users' in it;
// and a COMMIT that waits until it is durable. Ledger::open() does this for its connection; whoever
// reads another database does it for his.
#pragma once

#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

[[nodiscard]] Result<void> prepare_session(pg::Connection& connection);

}  // namespace pgtally
