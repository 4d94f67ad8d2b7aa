// What a store does with the writes of a TileCutter, with the checks that a store would make.
#pragma once

#include <map>
#include <stdexcept>
#include <vector>

#include "merkle/tile_cutter.h"

namespace pgtally {

class TileFolder {
 public:
  void apply(const std::vector<TileWrite>& writes) {
    for (const TileWrite& write : writes) {
      std::vector<Hash>& stored = tiles[write.tile];
      if (stored.size() != write.offset) throw std::runtime_error("a write leaves a gap");
      stored.insert(stored.end(), write.hashes.begin(), write.hashes.end());
    }
  }

  std::map<TileId, std::vector<Hash>> tiles;
};

}  // namespace pgtally
