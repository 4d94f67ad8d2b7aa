// Since when an entry is under a signature: the first checkpoint over it of those that are kept.
//
// Old checkpoints are thinned to one a minute, so an entry may have been under one a little earlier.
// What the operator says of the time is his word; with a policy, witnesses say it.
#pragma once

#include <optional>

#include "ledger/ledger.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "pgtally/types.h"
#include "pgtally/verify.h"

namespace pgtally {

struct FirstCover {
  TreeSize size;   // of the first kept checkpoint over the entry
  Time signed_at;  // by the operator's clock
  // The first kept checkpoint over the entry that was cosigned as the policy asks; nothing without a
  // policy, or where there is none.
  std::optional<VerifiedCheckpoint> witnessed;
};

// How many cosigned checkpoints are held against a policy before it is said that none fits.
inline constexpr int kMostCosignedTried = 1'000;

// Nothing if no checkpoint covers the entry. kTampered if the kept one is not signed by the ledger's
// key, or not of the size that it stands under. `policy` may be null.
[[nodiscard]] Result<std::optional<FirstCover>> first_cover(const Ledger& ledger, LeafIndex id,
                                                            const Policy* policy);

}  // namespace pgtally
