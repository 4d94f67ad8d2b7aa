#include "merkle/tile_cutter.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "merkle/tree.h"

namespace pgtally {

Result<TileCutter> TileCutter::restore(TreeSize size, std::span<const Hash> frontier,
                                       std::span<const Hash> partial_leaves) {
  TileCutter cutter;
  TRY(cutter.frontier_, Frontier::restore(size, frontier));

  const std::size_t leaves = size.value % kTileWidth;
  if (partial_leaves.size() != leaves) {
    return reject("a tree of size " + std::to_string(size.value) + " has " +
                  std::to_string(leaves) + " leaves in its last tile, not " +
                  std::to_string(partial_leaves.size()));
  }
  // The subtrees inside the last tile are the smallest ones, so they end the frontier.
  Frontier tile;
  for (const Hash& leaf : partial_leaves) tile.append(leaf);
  if (!std::ranges::equal(tile.nodes(), frontier.last(tile.nodes().size()))) {
    return tampered("the last " + std::to_string(leaves) +
                    " leaf hashes do not give the frontier of the tree of size " +
                    std::to_string(size.value));
  }
  cutter.partial_leaves_.assign(partial_leaves.begin(), partial_leaves.end());
  return cutter;
}

void TileCutter::append(const Hash& leaf) {
  frontier_.append(leaf, *this);
}

void TileCutter::append_tile(std::span<const Hash> leaves) {
  const std::uint64_t index = frontier_.size().value / kTileWidth;
  writes_.push_back({{0, index}, 0, {leaves.begin(), leaves.end()}});
  frontier_.append_subtree(kTileHeight, root_of(leaves), *this);
}

std::vector<TileWrite> TileCutter::take_writes() {
  std::ranges::sort(writes_, {}, &TileWrite::tile);
  last_write_.fill(std::nullopt);
  return std::exchange(writes_, {});
}

void TileCutter::completed(int height, std::uint64_t index, const Hash& hash) {
  if (height % kTileHeight != 0) return;
  const TileId tile{height / kTileHeight, index / kTileWidth};
  const auto offset = static_cast<std::uint32_t>(index % kTileWidth);
  if (tile.level > 0) {
    grow(tile, offset, hash);
    return;
  }
  if (partial_leaves_.empty()) partial_leaves_.reserve(kTileWidth);
  partial_leaves_.push_back(hash);
  if (partial_leaves_.size() == kTileWidth) {
    writes_.push_back({tile, 0, std::exchange(partial_leaves_, {})});
  }
}

void TileCutter::grow(TileId tile, std::uint32_t offset, const Hash& hash) {
  auto& last = last_write_[static_cast<std::size_t>(tile.level)];
  if (!last || writes_[*last].tile != tile) {
    last = writes_.size();
    writes_.push_back({tile, offset, {}});
  }
  writes_[*last].hashes.push_back(hash);
}

}  // namespace pgtally
