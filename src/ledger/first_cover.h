// Since when an entry is under a signature: checkpoints over it that were signed before the one that it
// is proved under.
//
// Old checkpoints are thinned to one a minute, so an entry may have been under one a little earlier.
#pragma once

#include <vector>

#include "ledger/ledger.h"
#include "ledger/tree_head.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// Kept checkpoints over the entry of less than `below` entries, by ascending size, with their
// cosignatures: the first, and the first that was cosigned; with a policy, as it asks. `policy` may be
// null. kTampered if the first is not signed by the ledger's key, or not of the size that it stands under.
[[nodiscard]] Result<std::vector<StoredCheckpoint>> first_covers(const Ledger& ledger, LeafIndex id,
                                                                 TreeSize below,
                                                                 const Policy* policy);

}  // namespace pgtally
