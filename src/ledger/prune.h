// Dropping rows of staging that a signed checkpoint covers: sql/functions/prune.sql, from outside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/tree_head.h"
#include "pgtally/result.h"

namespace pgtally {

// The newest checkpoint, with a signature of this ledger's key and the root that the tree has at
// its size. What it covers cannot be lost without that showing. kOperator if nothing was signed
// yet, kTampered if the checkpoint is not what it should be.
[[nodiscard]] Result<StoredCheckpoint> covering_checkpoint(const Ledger& ledger);

// The next rows, in a statement of its own; fewer than `most` if the others are not covered yet, or
// if another session prunes. `most` is from 1 to 1,000,000.
[[nodiscard]] Result<std::uint64_t> prune_staging(const Ledger& ledger, std::int32_t most);

// Append sources that have entries whose data is in staging alone: with pruning it is gone.
[[nodiscard]] Result<std::vector<std::string>> sources_without_kept_data(const Ledger& ledger);

// About how many rows staging has, by the server's statistics; nothing where they do not say.
[[nodiscard]] Result<std::optional<std::uint64_t>> estimate_staged(const Ledger& ledger);

}  // namespace pgtally
