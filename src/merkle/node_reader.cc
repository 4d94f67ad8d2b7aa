#include "merkle/node_reader.h"

#include <bit>

#include "pgtally/merkle.h"

namespace pgtally {

TileNodes::TileNodes(std::span<const Hash> hashes)
    : width_(static_cast<std::uint32_t>(hashes.size())), nodes_(hashes.begin(), hashes.end()) {
  nodes_.reserve(std::size_t{2} * width_);
  for (std::size_t height = 1; height < kTileHeight; ++height) {
    const std::uint32_t below = first_[height - 1];
    first_[height] = static_cast<std::uint32_t>(nodes_.size());
    for (std::uint32_t i = 0; i < width_ >> height; ++i) {
      nodes_.push_back(node_hash(nodes_[below + 2 * i], nodes_[below + 2 * i + 1]));
    }
  }
}

const Hash& TileNodes::root(std::uint32_t offset, std::uint32_t count) const {
  return nodes_[first_[std::countr_zero(count)] + offset / count];
}

}  // namespace pgtally
