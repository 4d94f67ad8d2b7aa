// Where proofs get the roots of perfect subtrees from, for whoever keeps these at hand.
//
// Proofs over a TileReader hash up to 255 nodes for each tile that they touch; a server that answers
// thousands a second keeps the nodes between the levels of tiles instead (TileNodes).
#pragma once

#include <span>
#include <vector>

#include "merkle/tile.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// A perfect subtree: 1, 2, 4, … or 128 hashes side by side in a tile, the first of them at a multiple
// of their number.
struct TilePart {
  TileId tile;
  std::uint32_t offset = 0;
  std::uint32_t count = 1;
};

class NodeReader {
 public:
  virtual ~NodeReader() = default;

  // As TileReader::size().
  [[nodiscard]] virtual TreeSize size() const = 0;

  // The roots of these parts, all of which lie within a tree of `size` entries.
  [[nodiscard]] virtual Result<std::vector<Hash>> roots(std::span<const TilePart> parts,
                                                        TreeSize size) = 0;
};

// Every node of one tile below its root, computed once.
class TileNodes {
 public:
  // 1 to 256 hashes; fewer than 256 give the perfect subtrees that they complete.
  explicit TileNodes(std::span<const Hash> hashes);

  [[nodiscard]] std::uint32_t width() const { return width_; }
  // Precondition: the part lies within width(). O(1).
  [[nodiscard]] const Hash& root(std::uint32_t offset, std::uint32_t count) const;

 private:
  std::uint32_t width_;
  std::vector<Hash> nodes_;  // those of height 0 first, then those of height 1, up to height 7
  std::uint32_t first_[kTileHeight] = {};  // where each height begins
};

}  // namespace pgtally
