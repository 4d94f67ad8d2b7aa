#include "merkle/tree.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "crypto/sha256.h"
#include "merkle/frontier.h"
#include "merkle/tile.h"

namespace pgtally {
namespace {

constexpr std::uint8_t kLeafPrefix = 0x00;
constexpr std::uint8_t kNodePrefix = 0x01;
constexpr std::size_t kAtOnce = kTileWidth;

// The root of a tile's worth of leaves.
Hash root_of_tile(std::span<const Hash> leaves) {
  std::array<Hash, kTileWidth / 2> level;
  node_hashes(leaves, level);
  for (std::size_t width = level.size(); width > 1; width /= 2) {
    node_hashes(std::span(level).first(width), std::span(level).first(width / 2));
  }
  return level[0];
}

}  // namespace

void leaf_hashes(std::span<const ByteView> entries, std::span<Hash> hashes) {
  Bytes messages;
  std::array<ByteView, kAtOnce> views;
  for (; !entries.empty(); entries = entries.subspan(std::min(kAtOnce, entries.size()))) {
    const auto some = entries.first(std::min(kAtOnce, entries.size()));
    messages.clear();
    for (const ByteView entry : some) {
      messages.push_back(kLeafPrefix);
      messages.insert(messages.end(), entry.begin(), entry.end());
    }
    ByteView rest = messages;
    for (std::size_t i = 0; i < some.size(); ++i) {
      views[i] = rest.first(1 + some[i].size());
      rest = rest.subspan(views[i].size());
    }
    sha256_many(std::span(views).first(some.size()), hashes);
    hashes = hashes.subspan(some.size());
  }
}

void node_hashes(std::span<const Hash> children, std::span<Hash> parents) {
  sha256_each<1 + 2 * Hash::kSize>(parents, [&](std::uint8_t* message, std::size_t i) {
    message[0] = kNodePrefix;
    std::memcpy(message + 1, &children[2 * i], 2 * Hash::kSize);
  });
}

Hash root_of(std::span<const Hash> leaf_hashes) {
  Frontier frontier;
  for (; leaf_hashes.size() >= kTileWidth; leaf_hashes = leaf_hashes.subspan(kTileWidth)) {
    frontier.append_subtree(kTileHeight, root_of_tile(leaf_hashes.first(kTileWidth)));
  }
  for (const Hash& leaf : leaf_hashes) frontier.append(leaf);
  return frontier.root();
}

}  // namespace pgtally
