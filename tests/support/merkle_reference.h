// The tree as the specifications define it: recursive and slow, so that it can be compared with
// their text line by line. It shares nothing with the code under test but SHA-256.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "crypto/sha256.h"
#include "pgtally/types.h"

namespace pgtally::reference {

using Range = std::pair<std::uint64_t, std::uint64_t>;

// Any source of leaf hashes; how many there are does not matter to it.
class Leaves {
 public:
  virtual ~Leaves() = default;
  [[nodiscard]] virtual Hash at(std::uint64_t index) = 0;
  // A short cut for ranges whose root is known without looking at each leaf.
  [[nodiscard]] virtual bool knows(Range, Hash&) { return false; }
};

class List final : public Leaves {
 public:
  explicit List(std::vector<Hash> hashes) : hashes_(std::move(hashes)) {}
  [[nodiscard]] Hash at(std::uint64_t index) override { return hashes_.at(index); }

 private:
  std::vector<Hash> hashes_;
};

inline Hash hash_children(const Hash& left, const Hash& right) {
  static constexpr std::uint8_t kPrefix[] = {1};
  return sha256({kPrefix, left.view(), right.view()});
}

// k, "the largest power of two smaller than n". Precondition: n > 1.
inline std::uint64_t k_of(std::uint64_t n) {
  std::uint64_t k = 1;
  while (k < n - k) k *= 2;
  return k;
}

class Tree {
 public:
  explicit Tree(Leaves& leaves) : leaves_(leaves) {}

  // MTH(D[start:end]). Spec: RFC 6962 section 2.1.
  Hash mth(std::uint64_t start, std::uint64_t end) {
    const std::uint64_t n = end - start;
    if (n == 0) return sha256(std::string_view());
    if (n == 1) return leaves_.at(start);
    const auto known = roots_.find({start, end});
    if (known != roots_.end()) return known->second;
    Hash root;
    if (!leaves_.knows({start, end}, root)) {
      const std::uint64_t k = k_of(n);
      root = hash_children(mth(start, start + k), mth(start + k, end));
    }
    roots_[{start, end}] = root;
    return root;
  }

  // PATH(m, D[start:end]). Spec: RFC 6962 section 2.1.1.
  std::vector<Hash> path(std::uint64_t m, std::uint64_t start, std::uint64_t end) {
    const std::uint64_t n = end - start;
    if (n == 1) return {};
    const std::uint64_t k = k_of(n);
    if (m < k) return with(path(m, start, start + k), mth(start + k, end));
    return with(path(m - k, start + k, end), mth(start, start + k));
  }

  // PROOF(m, D_n). Spec: RFC 6962 section 2.1.2.
  std::vector<Hash> proof(std::uint64_t m, std::uint64_t n) { return subproof(m, 0, n, true); }

  // SUBTREE_PROOF(start, end, D_n). Spec: draft-ietf-plants-merkle-tree-certs, "Generating a
  // Subtree Consistency Proof".
  std::vector<Hash> subtree_proof(std::uint64_t start, std::uint64_t end, std::uint64_t n) {
    if (start == end) return {};
    return subtree_subproof(start, end, 0, n, true);
  }

 private:
  static std::vector<Hash> with(std::vector<Hash> hashes, const Hash& last) {
    hashes.push_back(last);
    return hashes;
  }

  // SUBPROOF(m, D[from:to], b).
  std::vector<Hash> subproof(std::uint64_t m, std::uint64_t from, std::uint64_t to, bool b) {
    const std::uint64_t n = to - from;
    if (m == n) return b ? std::vector<Hash>{} : std::vector<Hash>{mth(from, to)};
    const std::uint64_t k = k_of(n);
    if (m <= k) return with(subproof(m, from, from + k, b), mth(from + k, to));
    return with(subproof(m - k, from + k, to, false), mth(from, from + k));
  }

  // SUBTREE_SUBPROOF(start, end, D[from:to], b), start and end counted from `from`.
  std::vector<Hash> subtree_subproof(std::uint64_t start, std::uint64_t end, std::uint64_t from,
                                     std::uint64_t to, bool b) {
    const std::uint64_t n = to - from;
    if (start == 0 && end == n) {
      return b ? std::vector<Hash>{} : std::vector<Hash>{mth(from, to)};
    }
    const std::uint64_t k = k_of(n);
    if (end <= k) return with(subtree_subproof(start, end, from, from + k, b), mth(from + k, to));
    if (k <= start) {
      return with(subtree_subproof(start - k, end - k, from + k, to, b), mth(from, from + k));
    }
    return with(subtree_subproof(0, end - k, from + k, to, false), mth(from, from + k));
  }

  Leaves& leaves_;
  std::map<Range, Hash> roots_;
};

}  // namespace pgtally::reference
