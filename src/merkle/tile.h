// Tiles: the tree cut into pieces of 8 levels, which is how it is stored and served.
//
// The hash at place i of tile {level, index} is the root of the 256^level leaves that start at
// (index * 256 + i) * 256^level. A tile is full with 256 hashes; in a tree of a given size, only
// the last tile of each level can be partial, and it never is empty.
//
// Spec: C2SP tlog-tiles, https://c2sp.org/tlog-tiles.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

inline constexpr int kTileHeight = 8;
inline constexpr std::uint32_t kTileWidth = 1U << kTileHeight;
// A tree of up to 2^64-1 leaves has hashes at tile levels 0 to 7. The text form goes up to 63.
inline constexpr int kTileLevels = 8;
inline constexpr int kMaxTileLevelInPath = 63;

struct TileId {
  int level = 0;
  std::uint64_t index = 0;
  auto operator<=>(const TileId&) const = default;
};

// The first `width` hashes of a tile, 1 to 256.
struct TileRequest {
  TileId tile;
  std::uint32_t width = kTileWidth;
  auto operator<=>(const TileRequest&) const = default;
};

// How many hashes the tiles of `level` hold together in a tree of this size.
[[nodiscard]] std::uint64_t hashes_at_level(int level, TreeSize size);

// How many tiles, the partial one included, `level` has in a tree of this size.
[[nodiscard]] std::uint64_t tiles_at_level(int level, TreeSize size);

// How many hashes this tile has in a tree of this size: 256 if it is full, 0 if there is none.
[[nodiscard]] std::uint32_t tile_width(TileId tile, TreeSize size);

// Under which relative path it is served: "tile/0/x001/x234/067", "tile/1/000.p/17".
[[nodiscard]] std::string tile_path(const TileRequest& request);

// The reverse. Strict: takes nothing that tile_path() would not have written.
[[nodiscard]] Result<TileRequest> parse_tile_path(std::string_view path);

}  // namespace pgtally
