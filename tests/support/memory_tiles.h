// A TileReader over leaf hashes in memory. It counts what is read, so that a test can say how much
// a proof may cost.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "merkle/tile_reader.h"
#include "pgtally/merkle.h"

namespace pgtally {

class MemoryTiles final : public TileReader {
 public:
  MemoryTiles() = default;
  explicit MemoryTiles(std::span<const Hash> leaves) {
    for (const Hash& leaf : leaves) append(leaf);
  }

  // By the definition of a tile, without any of the code under test: levels_[n] holds the roots of
  // all 2^n aligned leaves.
  void append(const Hash& leaf) {
    Hash hash = leaf;
    for (std::size_t height = 0;; ++height) {
      if (levels_.size() == height) levels_.emplace_back();
      levels_[height].push_back(hash);
      const std::vector<Hash>& level = levels_[height];
      if (level.size() % 2 != 0) return;
      hash = node_hash(level[level.size() - 2], level[level.size() - 1]);
    }
  }

  [[nodiscard]] TreeSize size() const override {
    return TreeSize{levels_.empty() ? 0 : levels_[0].size()};
  }

  [[nodiscard]] Result<std::vector<std::vector<Hash>>> read(
      std::span<const TileRequest> requests) override {
    ++calls;
    std::vector<std::vector<Hash>> tiles;
    for (const auto& [tile, width] : requests) {
      if (tile_width(tile, size()) < width) {
        return reject("there is no " + tile_path({tile, width}));
      }
      const std::vector<Hash>& level = levels_[static_cast<std::size_t>(tile.level) * kTileHeight];
      const auto begin = level.begin() + static_cast<std::ptrdiff_t>(tile.index * kTileWidth);
      tiles.emplace_back(begin, begin + width);
      requested.push_back({tile, width});
    }
    return tiles;
  }

  int calls = 0;
  std::vector<TileRequest> requested;

 private:
  std::vector<std::vector<Hash>> levels_;
};

}  // namespace pgtally
