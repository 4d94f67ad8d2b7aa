// Has the ledger's checkpoints cosigned: an outlet that asks the witnesses of a policy.
//
// Work goes in rounds, each about one checkpoint, the newest, so that cosignatures meet under it. All
// witnesses are asked at once, each by a thread of its own; a round ends when the policy's quorum is
// met, when all have answered, or with the timeout. A witness that is slower than that is not hurried:
// what it says is stored when it comes. One that fails is left alone for a while, longer each time.
//
// A checkpoint whose quorum is met is marked as witnessed (ledger/cosignatures.h). If the policy has
// no quorum, one cosignature is enough for that.
#pragma once

#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "service/outlets.h"
#include "service/settings.h"

namespace pgtally {

// Reads the policy. kReject if it names no witness that can be asked and counts.
[[nodiscard]] Result<Outlet> witnessing(const WitnessSettings& settings);

// For a policy that was read already.
[[nodiscard]] Result<Outlet> witnessing(Policy policy, const WitnessSettings& settings);

}  // namespace pgtally
