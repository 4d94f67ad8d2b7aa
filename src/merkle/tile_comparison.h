// Tiles as they are stored, held against the tree as it is computed from the entries.
//
// Each difference is put down to where it comes from: a hash that was really made of the tile below is
// not what differs, that tile is; and a leaf in a tile that the level above was made of was the leaf
// when it was recorded, so it is the entry that has changed.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "merkle/tile.h"
#include "merkle/tile_cutter.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct TileFault {
  enum class Kind {
    kCutOff,   // the tile is missing, or has fewer hashes than the tree
    kEntry,    // the leaf is the one that was recorded, and the entry gives another
    kDamaged,  // the hash is not the one that was computed, nor made of what lies below
  };
  Kind kind = Kind::kDamaged;
  TileId tile;
  std::size_t place = 0;  // of kCutOff, of the first hash that is missing
  Hash computed;
  Hash stored;  // zero if kCutOff
};

// Keeps the tiles that it was told to load until it is told to load others.
class TileComparison {
 public:
  // The hashes of each tile as they are stored, however many; none if it is not there.
  using Fetch = std::function<Result<std::vector<std::vector<Hash>>>(std::span<const TileId>)>;

  explicit TileComparison(Fetch fetch) : fetch_(std::move(fetch)) {}

  [[nodiscard]] Result<void> load(std::span<const TileId> ids);
  // Of a tile that was loaded; empty if it is not there.
  [[nodiscard]] const std::vector<Hash>& stored(TileId id) const;

  // Whether a stored tile is the one that the level above was made of.
  [[nodiscard]] Result<bool> was_right(TileId id);

  // `writes` are hashes as they should be, as TileCutter gives them. Loads what it needs.
  [[nodiscard]] Result<std::vector<TileFault>> compare(std::span<const TileWrite> writes);

 private:
  [[nodiscard]] Result<void> need(TileId id);
  [[nodiscard]] bool is_as_stored(const TileWrite& write) const;
  [[nodiscard]] Result<bool> made_of_below(TileId id, std::size_t place, const Hash& hash);

  Fetch fetch_;
  std::map<TileId, std::vector<Hash>> stored_;
};

}  // namespace pgtally
