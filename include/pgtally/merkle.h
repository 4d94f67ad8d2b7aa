// Hashing of the Merkle tree, and the checks of every proof about it.
//
// Whoever holds a root checks with these functions, offline, what a log says about its entries.
// Pure computation; all sizes and indices may use the full 64 bits. A proof has at most 64 hashes,
// and a longer one is refused without being hashed to its end.
//
// A root must come with its size, from one signed checkpoint: a proof by itself does not tell apart
// sizes in which the way from the leaf to the root is the same (entry 0 of 3 and entry 0 of 4).
//
// Errors: kReject when the numbers are impossible (an index beyond the size, a range that is no
// subtree), kTampered when the hashes do not prove what they should.
//
// Spec: RFC 9162 section 2.1 (the same tree as RFC 6962); for subtrees
// draft-ietf-plants-merkle-tree-certs, section "Subtrees".
#pragma once

#include <cstdint>
#include <span>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// SHA-256(0x00 || entry).
[[nodiscard]] Hash leaf_hash(ByteView entry);

// SHA-256(0x01 || left || right).
[[nodiscard]] Hash node_hash(const Hash& left, const Hash& right);

// The root of a tree without entries: SHA-256 of nothing.
[[nodiscard]] Hash empty_root();

// The entries [start, end) of a log, which form a tree of their own if start is a multiple of
// end - start rounded up to a power of two: then that tree shares all its perfect subtrees with
// every tree of the log that is large enough. An empty range is a subtree wherever it starts.
struct Subtree {
  std::uint64_t start = 0;
  std::uint64_t end = 0;

  [[nodiscard]] bool is_valid() const noexcept;
  [[nodiscard]] std::uint64_t size() const noexcept { return end - start; }
  bool operator==(const Subtree&) const = default;
};

// That `leaf` is entry `index` of the tree of `size` entries with `root`.
[[nodiscard]] Result<void> verify_inclusion(LeafIndex index, TreeSize size, const Hash& leaf,
                                            std::span<const Hash> path, const Hash& root);

// That the tree of `to` entries begins with all entries of the tree of `from` entries. Nothing can
// be wrong about an empty tree but its root and a proof that is not empty.
[[nodiscard]] Result<void> verify_consistency(TreeSize from, TreeSize to, const Hash& root_from,
                                              const Hash& root_to, std::span<const Hash> path);

// That `leaf` is entry `index`, counted from the start of the log, of the subtree with
// `subtree_root`.
[[nodiscard]] Result<void> verify_subtree_inclusion(LeafIndex index, Subtree subtree,
                                                    const Hash& leaf, std::span<const Hash> path,
                                                    const Hash& subtree_root);

// That the entries of the subtree are those at the same places in the tree of `size` entries with
// `tree_root`. Of an empty subtree this says nothing about the tree.
[[nodiscard]] Result<void> verify_subtree_consistency(Subtree subtree, TreeSize size,
                                                      std::span<const Hash> path,
                                                      const Hash& subtree_root,
                                                      const Hash& tree_root);

}  // namespace pgtally
