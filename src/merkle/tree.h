// A whole tree at once, for those who have all its leaves at hand.
#pragma once

#include <span>

#include "pgtally/types.h"

namespace pgtally {

// The root of the tree over these leaf hashes; the hash of nothing if there are none. One hash a
// leaf and O(log n) memory. Spec: RFC 9162 section 2.1.1.
[[nodiscard]] Hash root_of(std::span<const Hash> leaf_hashes);

}  // namespace pgtally
