#include <string>

#include "base/encoding.h"
#include "merkle/ranges.h"
#include "pgtally/merkle.h"

namespace pgtally {
namespace {

Error wrong_length(std::span<const Hash> path) {
  return tampered("the proof has the wrong number of hashes: " + std::to_string(path.size()));
}

Result<void> require_same(const Hash& computed, const Hash& claimed, const char* what) {
  if (computed == claimed) return {};
  return tampered("the proof leads to another " + std::string(what) + ": computed " +
                  to_base64(computed.view()) + ", claimed " + to_base64(claimed.view()));
}

// Walks from leaf `index` to the root of a tree of `size` leaves. Spec: RFC 9162 section 2.1.3.2.
Result<Hash> evaluate_inclusion(std::uint64_t index, std::uint64_t size, const Hash& leaf,
                                std::span<const Hash> path) {
  std::uint64_t node = index;
  std::uint64_t last = size - 1;
  Hash hash = leaf;
  for (const Hash& sibling : path) {
    if (last == 0) return wrong_length(path);
    if ((node & 1) != 0 || node == last) {
      hash = node_hash(sibling, hash);
      // A node on the right edge without a sibling is its own parent: skip to one that has one.
      // There is one, because `last` is not 0.
      while ((node & 1) == 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  if (last != 0) return wrong_length(path);
  return hash;
}

// The walk up from the last leaf of the subtree, which rebuilds the subtree's root and the tree's
// root from the same hashes. Precondition: the subtree is valid, not empty, and within the tree.
// Spec: draft-ietf-plants-merkle-tree-certs, "Verifying a Subtree Consistency Proof"; with a start
// of 0 it is RFC 9162 section 2.1.4.2.
Result<void> check_consistency(Subtree subtree, std::uint64_t size, std::span<const Hash> path,
                               const Hash& subtree_root, const Hash& tree_root) {
  std::uint64_t first = subtree.start;
  std::uint64_t last = subtree.end - 1;
  std::uint64_t tree_last = size - 1;
  const auto go_up = [&] {
    first >>= 1;
    last >>= 1;
    tree_last >>= 1;
  };

  // The walk begins at the largest subtree that both have in common at the end of the smaller one.
  const bool ends_together = last == tree_last;
  while (first != last && (ends_together || (last & 1) != 0)) go_up();

  Hash small = subtree_root;
  std::span<const Hash> rest = path;
  if (first != last) {
    if (path.empty()) return wrong_length(path);
    small = path.front();
    rest = path.subspan(1);
  }
  Hash large = small;
  for (const Hash& sibling : rest) {
    if (tree_last == 0) return wrong_length(path);
    if ((last & 1) != 0 || last == tree_last) {
      if (first < last) small = node_hash(sibling, small);
      large = node_hash(sibling, large);
      while ((last & 1) == 0) go_up();
    } else {
      large = node_hash(large, sibling);
    }
    go_up();
  }
  if (tree_last != 0) return wrong_length(path);
  TRY_VOID(require_same(small, subtree_root, "root of the smaller tree"));
  return require_same(large, tree_root, "root of the larger tree");
}

Result<void> check_empty(const Hash& root, std::span<const Hash> path) {
  if (!path.empty()) return wrong_length(path);
  if (root == empty_root()) return {};
  return tampered("an empty tree has the root " + to_base64(empty_root().view()) +
                  ", claimed was " + to_base64(root.view()));
}

}  // namespace

Result<void> verify_inclusion(LeafIndex index, TreeSize size, const Hash& leaf,
                              std::span<const Hash> path, const Hash& root) {
  TRY_VOID(require_entry_in(size, index));
  TRY(const Hash computed, evaluate_inclusion(index.value, size.value, leaf, path));
  return require_same(computed, root, "root");
}

Result<void> verify_consistency(TreeSize from, TreeSize to, const Hash& root_from,
                                const Hash& root_to, std::span<const Hash> path) {
  TRY_VOID(require_growth(from, to));
  if (to.value == 0) TRY_VOID(check_empty(root_to, path));
  return verify_subtree_consistency({0, from.value}, to, path, root_from, root_to);
}

Result<void> verify_subtree_inclusion(LeafIndex index, Subtree subtree, const Hash& leaf,
                                      std::span<const Hash> path, const Hash& subtree_root) {
  TRY_VOID(require_entry_in(subtree, index));
  TRY(const Hash computed,
      evaluate_inclusion(index.value - subtree.start, subtree.size(), leaf, path));
  return require_same(computed, subtree_root, "root");
}

Result<void> verify_subtree_consistency(Subtree subtree, TreeSize size, std::span<const Hash> path,
                                        const Hash& subtree_root, const Hash& tree_root) {
  TRY_VOID(require_subtree_in(size, subtree));
  if (subtree.size() == 0) return check_empty(subtree_root, path);
  return check_consistency(subtree, size.value, path, subtree_root, tree_root);
}

}  // namespace pgtally
