// A set of transaction ids, for members that lie close together: at most one bit and some change for
// each id between the lowest and the highest.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

namespace pgtally {

class XidSet {
 public:
  void insert(std::uint32_t xid) { pages_[xid >> kPageBits][word(xid)] |= bit(xid); }
  [[nodiscard]] bool contains(std::uint32_t xid) const {
    if (pages_.empty()) return false;
    const auto page = pages_.find(xid >> kPageBits);
    return page != pages_.end() && (page->second[word(xid)] & bit(xid)) != 0;
  }

 private:
  static constexpr int kPageBits = 9;
  static std::size_t word(std::uint32_t xid) { return (xid & ((1U << kPageBits) - 1)) >> 6; }
  static std::uint64_t bit(std::uint32_t xid) { return std::uint64_t{1} << (xid & 63); }

  std::unordered_map<std::uint32_t, std::array<std::uint64_t, 8>> pages_;
};

}  // namespace pgtally
