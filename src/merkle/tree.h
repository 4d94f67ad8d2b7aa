// Many hashes of the tree at once, for those who have what they are made of at hand: twice as fast as
// one by one. Pure computation.
#pragma once

#include <span>

#include "pgtally/types.h"

namespace pgtally {

// leaf_hash() of each entry; `hashes` has a place for each.
void leaf_hashes(std::span<const ByteView> entries, std::span<Hash> hashes);

// node_hash() of each two: `parents` has half as many places as there are `children`, and may be the
// first half of the same memory.
void node_hashes(std::span<const Hash> children, std::span<Hash> parents);

// The root of the tree over these leaf hashes; the hash of nothing if there are none. One hash a leaf.
// Spec: RFC 9162 section 2.1.1.
[[nodiscard]] Hash root_of(std::span<const Hash> leaf_hashes);

}  // namespace pgtally
