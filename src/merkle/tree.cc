#include "merkle/tree.h"

#include "merkle/frontier.h"

namespace pgtally {

Hash root_of(std::span<const Hash> leaf_hashes) {
  Frontier frontier;
  for (const Hash& leaf : leaf_hashes) frontier.append(leaf);
  return frontier.root();
}

}  // namespace pgtally
