// The right edge of an append-only Merkle tree: all that is needed to extend it and to know its
// root.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// Hears of every perfect subtree at the moment when its last leaf is appended.
class SubtreeSink {
 public:
  virtual ~SubtreeSink() = default;

  // `hash` is the root of the 2^height leaves that start at index * 2^height.
  virtual void completed(int height, std::uint64_t index, const Hash& hash) = 0;
};

// Invariants
//   - nodes_ holds one hash for each bit that is set in size_, the largest perfect subtree first;
//   - so it never holds more than 64 hashes, however long the log.
//
// Spec: RFC 9162, section 2.1.1. Pure computation: knows no storage, no clock, no network.
class Frontier {
 public:
  Frontier() = default;

  // Takes up where a stored frontier left off. Refuses a number of nodes that does not fit the
  // size; whether they are the right ones shows only when root() is compared.
  [[nodiscard]] static Result<Frontier> restore(TreeSize size, std::span<const Hash> nodes);

  // Appends one leaf; at most 63 hashes, one on average. Tells `sink` of every perfect subtree
  // that it completes, smallest first and the leaf itself (height 0) before all, so that tiles can
  // be cut without a second pass. Precondition: size() is below 2^64-1.
  void append(const Hash& leaf, SubtreeSink& sink);
  void append(const Hash& leaf);
  // The same for 2^height leaves of which only the root is known. Tells of that and what is above it.
  // Precondition: size() is a multiple of 2^height.
  void append_subtree(int height, const Hash& root, SubtreeSink& sink);
  void append_subtree(int height, const Hash& root);

  [[nodiscard]] TreeSize size() const noexcept { return size_; }

  // The root over all that was appended; the hash of nothing for an empty tree. O(log size).
  [[nodiscard]] Hash root() const;

  // What restore() takes. Valid until the next append.
  [[nodiscard]] std::span<const Hash> nodes() const noexcept { return nodes_; }

 private:
  TreeSize size_;
  std::vector<Hash> nodes_;
};

}  // namespace pgtally
