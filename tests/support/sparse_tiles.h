// A log of up to 2^64-1 entries that takes no room: all entries are empty but a few, which are the
// decimal text of their index. Tiles and roots of it can be computed wherever one looks.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "merkle/tile_reader.h"
#include "pgtally/merkle.h"
#include "support/merkle_reference.h"

namespace pgtally {

class SparseLeaves final : public reference::Leaves {
 public:
  explicit SparseLeaves(std::set<std::uint64_t> special) : special_(std::move(special)) {}

  [[nodiscard]] Hash at(std::uint64_t index) override {
    if (!special_.contains(index)) return leaf_hash({});
    return leaf_hash(as_bytes(std::to_string(index)));
  }

  // Of a range of nothing but empty entries only the size matters.
  [[nodiscard]] bool knows(reference::Range range, Hash& root) override {
    const auto next = special_.lower_bound(range.first);
    if (next != special_.end() && *next < range.second) return false;
    root = root_of_empty(range.second - range.first);
    return true;
  }

 private:
  Hash root_of_empty(std::uint64_t n) {
    if (n == 1) return leaf_hash({});
    const auto known = roots_.find(n);
    if (known != roots_.end()) return known->second;
    const std::uint64_t k = reference::k_of(n);
    const Hash root = reference::hash_children(root_of_empty(k), root_of_empty(n - k));
    roots_[n] = root;
    return root;
  }

  std::set<std::uint64_t> special_;
  std::map<std::uint64_t, Hash> roots_;
};

class SparseTiles final : public TileReader {
 public:
  SparseTiles(TreeSize size, std::set<std::uint64_t> special)
      : size_(size), leaves_(std::move(special)), tree_(leaves_) {}

  [[nodiscard]] TreeSize size() const override { return size_; }
  [[nodiscard]] reference::Tree& tree() { return tree_; }

  [[nodiscard]] Result<std::vector<std::vector<Hash>>> read(
      std::span<const TileRequest> requests) override {
    std::vector<std::vector<Hash>> tiles;
    for (const auto& [tile, width] : requests) {
      if (tile_width(tile, size_) < width) {
        return reject("there is no " + tile_path({tile, width}));
      }
      const int shift = tile.level * kTileHeight;
      std::vector<Hash> hashes;
      for (std::uint64_t i = 0; i < width; ++i) {
        const std::uint64_t place = tile.index * kTileWidth + i;
        hashes.push_back(tree_.mth(place << shift, (place + 1) << shift));
      }
      tiles.push_back(std::move(hashes));
    }
    return tiles;
  }

 private:
  TreeSize size_;
  SparseLeaves leaves_;
  reference::Tree tree_;
};

}  // namespace pgtally
