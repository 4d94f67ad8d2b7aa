// Leaf hashes that tell themselves apart: leaf i is the hash of the decimal text of i.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgtally/merkle.h"

namespace pgtally {

inline Hash numbered_leaf(std::uint64_t i) {
  return leaf_hash(as_bytes(std::to_string(i)));
}

inline std::vector<Hash> numbered_leaves(std::uint64_t count) {
  std::vector<Hash> leaves;
  for (std::uint64_t i = 0; i < count; ++i) leaves.push_back(numbered_leaf(i));
  return leaves;
}

}  // namespace pgtally
