// Turns a stream of leaf hashes into the tiles that have to be stored.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "merkle/frontier.h"
#include "merkle/tile.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// Hashes to put behind the `offset` hashes that the stored tile already has. At level 0 the tile
// is always written once and whole: offset 0, 256 hashes.
struct TileWrite {
  TileId tile;
  std::uint32_t offset = 0;
  std::vector<Hash> hashes;
  bool operator==(const TileWrite&) const = default;
};

// Invariants
//   - partial_leaves() are the last size mod 256 leaf hashes, those of the level-0 tile that is not
//     full yet; no write holds them, because the entries that they come from are stored elsewhere;
//   - a level above 0 grows by one hash whenever a tile of the level below is full, so the writes
//     since the start put together are exactly the tiles of the tree, whatever the batches were.
//
// Costs: one hash for each leaf, as Frontier; 32 bytes for each leaf between two take_writes().
class TileCutter : private SubtreeSink {
 public:
  // For an empty log.
  TileCutter() = default;

  // Takes up a log where it was left off: its frontier, and the leaf hashes of the level-0 tile
  // that is not full yet. kReject if their numbers do not fit the size, kTampered if the leaves
  // are not those that the frontier was made of.
  [[nodiscard]] static Result<TileCutter> restore(TreeSize size, std::span<const Hash> frontier,
                                                  std::span<const Hash> partial_leaves);

  void append(const Hash& leaf);
  // A whole tile of leaves, 256, which takes half the time. Precondition: the size is a multiple of 256.
  void append_tile(std::span<const Hash> leaves);

  // What the appends since the last call add to the stored tiles: one write for each tile, ordered
  // by level and index.
  [[nodiscard]] std::vector<TileWrite> take_writes();

  [[nodiscard]] const Frontier& frontier() const noexcept { return frontier_; }
  [[nodiscard]] std::span<const Hash> partial_leaves() const noexcept { return partial_leaves_; }

 private:
  void completed(int height, std::uint64_t index, const Hash& hash) override;
  void grow(TileId tile, std::uint32_t offset, const Hash& hash);

  Frontier frontier_;
  std::vector<Hash> partial_leaves_;
  std::vector<TileWrite> writes_;
  // Where in writes_ the last write of each level stands.
  std::array<std::optional<std::size_t>, kTileLevels> last_write_;
};

}  // namespace pgtally
