// Which numbers make sense together: asked alike before a proof is made and before it is checked.
// Each returns kReject with the limit that was broken.
#pragma once

#include "pgtally/merkle.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

[[nodiscard]] Result<void> require_entry_in(TreeSize size, LeafIndex index);
[[nodiscard]] Result<void> require_growth(TreeSize from, TreeSize to);
// These two refuse a range that is no subtree as well.
[[nodiscard]] Result<void> require_entry_in(Subtree subtree, LeafIndex index);
[[nodiscard]] Result<void> require_subtree_in(TreeSize size, Subtree subtree);

}  // namespace pgtally
