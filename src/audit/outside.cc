#include "audit/outside.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/entry_bundle.h"
#include "merkle/proof.h"
#include "merkle/tree.h"
#include "pgtally/merkle.h"

namespace pgtally {
namespace {

// Bundles that are fetched and proved together: 2,048 entries, of 2 MiB at most where they are ours.
constexpr std::uint64_t kBundles = 8;

}  // namespace

Result<void> read_published(LogReader& published, const Checkpoint& checkpoint, LeafIndex from,
                            LeafIndex to, const TakePublished& take) {
  const std::uint64_t end = std::min(to.value, checkpoint.size.value);
  constexpr std::uint64_t kStep = kBundles * kTileWidth;
  for (std::uint64_t start = from.value - from.value % kStep; start < end; start += kStep) {
    const Subtree subtree{start, std::min(start + kStep, checkpoint.size.value)};
    const std::uint64_t count = (subtree.size() + kTileWidth - 1) / kTileWidth;
    TRY(const auto bundles,
        published.bundles(start / kTileWidth, static_cast<std::size_t>(count), checkpoint.size));
    std::vector<ByteView> entries;
    std::vector<Hash> leaves;
    for (std::uint64_t b = 0; b < count; ++b) {
      const TileId tile{0, start / kTileWidth + b};
      TRY(const auto parsed, parse_bundle(as_bytes(bundles[b]), tile_width(tile, checkpoint.size)));
      for (const ByteView entry : parsed) {
        entries.push_back(entry);
        leaves.push_back(leaf_hash(entry));
      }
    }
    LogTiles tiles(published, checkpoint.size);
    TRY(const auto path, prove_subtree_consistency(tiles, subtree, checkpoint.size));
    const auto checked = verify_subtree_consistency(subtree, checkpoint.size, path, root_of(leaves),
                                                    checkpoint.root);
    if (!checked.ok()) {
      return tampered(
          fmt::format("the published entries from {} to {} do not lie under the "
                      "published checkpoint of size {}",
                      subtree.start, subtree.end - 1, checkpoint.size.value));
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const LeafIndex id{start + i};
      if (id >= from && id.value < end) TRY_VOID(take(id, entries[i]));
    }
  }
  return {};
}

}  // namespace pgtally
