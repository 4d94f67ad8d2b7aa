#include "merkle/tile_comparison.h"

#include <cstring>
#include <utility>

#include "merkle/tree.h"

namespace pgtally {

Result<void> TileComparison::load(std::span<const TileId> ids) {
  TRY(auto tiles, fetch_(ids));
  stored_.clear();
  for (std::size_t i = 0; i < ids.size(); ++i) stored_[ids[i]] = std::move(tiles[i]);
  return {};
}

Result<void> TileComparison::need(TileId id) {
  if (stored_.contains(id)) return {};
  TRY(auto tiles, fetch_(std::span<const TileId>(&id, 1)));
  stored_[id] = std::move(tiles.front());
  return {};
}

const std::vector<Hash>& TileComparison::stored(TileId id) const {
  static const std::vector<Hash> kNone;
  const auto it = stored_.find(id);
  return it == stored_.end() ? kNone : it->second;
}

Result<bool> TileComparison::was_right(TileId id) {
  TRY_VOID(need(id));
  const TileId above{id.level + 1, id.index / kTileWidth};
  TRY_VOID(need(above));
  const std::vector<Hash>& tile = stored(id);
  const std::vector<Hash>& over = stored(above);
  const std::size_t place = id.index % kTileWidth;
  return tile.size() == kTileWidth && place < over.size() && over[place] == root_of(tile);
}

Result<bool> TileComparison::made_of_below(TileId id, std::size_t place, const Hash& hash) {
  if (id.level == 0) return false;
  const TileId below{id.level - 1, id.index * kTileWidth + place};
  TRY_VOID(need(below));
  const std::vector<Hash>& tile = stored(below);
  return tile.size() == kTileWidth && root_of(tile) == hash;
}

// The usual case, at once.
bool TileComparison::is_as_stored(const TileWrite& write) const {
  const std::vector<Hash>& tile = stored(write.tile);
  return write.offset + write.hashes.size() <= tile.size() &&
         std::memcmp(tile.data() + write.offset, write.hashes.data(),
                     std::span(write.hashes).size_bytes()) == 0;
}

Result<std::vector<TileFault>> TileComparison::compare(std::span<const TileWrite> writes) {
  std::vector<TileFault> faults;
  for (const TileWrite& write : writes) {
    TRY_VOID(need(write.tile));
    if (is_as_stored(write)) continue;
    for (std::size_t i = 0; i < write.hashes.size(); ++i) {
      const std::size_t place = write.offset + i;
      const Hash& computed = write.hashes[i];
      const std::vector<Hash>& tile = stored(write.tile);
      if (place >= tile.size()) {
        faults.push_back({TileFault::Kind::kCutOff, write.tile, place, computed, {}});
        break;
      }
      const Hash found = tile[place];
      if (found == computed) continue;
      TRY(const bool lies_below, made_of_below(write.tile, place, found));
      if (lies_below) continue;
      bool entry = false;
      if (write.tile.level == 0) {
        TRY(entry, was_right(write.tile));
      }
      faults.push_back({entry ? TileFault::Kind::kEntry : TileFault::Kind::kDamaged, write.tile,
                        place, computed, found});
    }
  }
  return faults;
}

}  // namespace pgtally
