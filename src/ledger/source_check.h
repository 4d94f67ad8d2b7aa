// What `source check` says of any source; of those that are read from a slot, see capture/logical.h too.
#pragma once

#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/registry.h"
#include "pgtally/result.h"

namespace pgtally {

// What stands between the source and what its definition says: a dropped table, a column of another
// type, a key that is not unique any more, a right that is missing. Empty if all is well.
[[nodiscard]] Result<std::vector<std::string>> check_source(const Ledger& ledger,
                                                            const SourceInfo& source);

}  // namespace pgtally
