#include "client/entry_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/encoding.h"
#include "format/entry_bundle.h"
#include "merkle/proof.h"
#include "merkle/tree.h"
#include "pgtally/merkle.h"

namespace pgtally {
namespace {

struct FullTile {
  TileId id;
  Hash root;  // of its 256 hashes
};

// Hears which tiles above level 0 become full.
class FullTiles : public SubtreeSink {
 public:
  void completed(int height, std::uint64_t index, const Hash& hash) override {
    const int level = height / kTileHeight - 1;
    if (height % kTileHeight == 0 && level > 0) tiles.push_back({{level, index}, hash});
  }

  std::vector<FullTile> tiles;
};

Error does_not_fit(const std::string& path) {
  return tampered(path + " does not fit the tree below it",
                  "The tile or one of the bundles that it covers was changed.");
}

class EntryCheck {
 public:
  EntryCheck(LogReader& log, const Checkpoint& checkpoint, Frontier& verified, CheckedSink& sink)
      : log_(log), checkpoint_(checkpoint), verified_(verified), walked_(verified), sink_(sink) {}

  [[nodiscard]] Result<void> run() {
    const std::uint64_t full = checkpoint_.size.value / kTileWidth;
    while (walked_.size().value / kTileWidth < full) {
      const std::uint64_t first = walked_.size().value / kTileWidth;
      TRY_VOID(walk(first, std::min<std::uint64_t>(kAtOnce, full - first)));
      const std::uint64_t ahead = (walked_.size().value - verified_.size().value) / kTileWidth;
      if (ahead >= kVerifyEvery) TRY_VOID(verify_so_far());
    }
    if (walked_.size() != verified_.size()) TRY_VOID(verify_so_far());
    return check_edge();
  }

 private:
  // The bundles [first, first + count), and the tiles that become full with them.
  [[nodiscard]] Result<void> walk(std::uint64_t first, std::size_t count) {
    std::vector<TileId> ids;
    for (std::uint64_t index = first; index < first + count; ++index) ids.push_back({0, index});
    TRY(const auto tiles, log_.tiles(ids, checkpoint_.size));
    TRY(const auto bundles, log_.bundles(first, count, checkpoint_.size));
    FullTiles full;
    for (std::size_t i = 0; i < count; ++i) {
      TRY_VOID(take(first + i, bundles[i], tiles[i], full));
      TRY_VOID(sink_.tile({ids[i], kTileWidth}, tiles[i]));
      TRY_VOID(sink_.bundle({ids[i], kTileWidth}, bundles[i]));
    }
    ids.clear();
    for (const FullTile& tile : full.tiles) ids.push_back(tile.id);
    TRY(const auto above, log_.tiles(ids, checkpoint_.size));
    for (std::size_t i = 0; i < above.size(); ++i) {
      const TileRequest request{ids[i], kTileWidth};
      if (root_of(above[i]) != full.tiles[i].root) return does_not_fit(tile_path(request));
      TRY_VOID(sink_.tile(request, above[i]));
    }
    return {};
  }

  [[nodiscard]] Result<void> take(std::uint64_t index, const std::string& bundle,
                                  const std::vector<Hash>& tile, SubtreeSink& full) {
    const auto width = static_cast<std::uint32_t>(tile.size());
    const auto entries = parse_bundle(as_bytes(bundle), width);
    if (!entries.ok()) {
      return tampered(bundle_path(index, width) + ": " + entries.error().message,
                      "It was damaged, or something else than the log answers.");
    }
    for (std::size_t i = 0; i < width; ++i) {
      const Hash leaf = leaf_hash((*entries)[i]);
      if (leaf != tile[i]) {
        return tampered(fmt::format("entry {} in {} does not have the hash that {} has for it",
                                    index * kTileWidth + i, bundle_path(index, width),
                                    tile_path({{0, index}, width})),
                        fmt::format("  entry: {}\n  tile:  {}\nOne of the two was changed.",
                                    to_base64(leaf.view()), to_base64(tile[i].view())));
      }
      walked_.append(leaf, full);
    }
    return {};
  }

  // That what was walked lies under the checkpoint.
  [[nodiscard]] Result<void> verify_so_far() {
    LogTiles tiles(log_, checkpoint_.size);
    TRY(const auto path, prove_consistency(tiles, walked_.size(), checkpoint_.size));
    const auto checked = verify_consistency(walked_.size(), checkpoint_.size, walked_.root(),
                                            checkpoint_.root, path);
    if (!checked.ok()) {
      return tampered(
          fmt::format("the entries from {} to {} do not lie under the checkpoint of size {}",
                      verified_.size().value, walked_.size().value - 1, checkpoint_.size.value),
          "They agree with their tiles, but not with what was signed.");
    }
    verified_ = walked_;
    return sink_.verified(verified_);
  }

  // The tiles and the bundle that are not full yet, and the root.
  [[nodiscard]] Result<void> check_edge() {
    std::vector<TileId> ids;
    std::vector<TileRequest> requests;
    for (int level = 0; level < kTileLevels; ++level) {
      const std::uint64_t hashes = hashes_at_level(level, checkpoint_.size);
      const auto width = static_cast<std::uint32_t>(hashes % kTileWidth);
      if (width == 0) continue;
      ids.push_back({level, hashes / kTileWidth});
      requests.push_back({ids.back(), width});
    }
    TRY(const auto tiles, log_.tiles(ids, checkpoint_.size));
    std::vector<std::string> bundles;
    if (checkpoint_.size.value % kTileWidth != 0) {
      FullTiles none;
      TRY(bundles, log_.bundles(ids.front().index, 1, checkpoint_.size));
      TRY_VOID(take(ids.front().index, bundles.front(), tiles.front(), none));
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!fits(ids[i].level, tiles[i])) return does_not_fit(tile_path(requests[i]));
    }
    if (walked_.root() != checkpoint_.root) {
      return tampered(fmt::format("the {} entries have another root than the one signed",
                                  checkpoint_.size.value),
                      "The checkpoint does not belong to what the log serves.");
    }
    for (std::size_t i = 0; i < ids.size(); ++i) TRY_VOID(sink_.tile(requests[i], tiles[i]));
    if (!bundles.empty()) return sink_.bundle(requests.front(), bundles.front());
    return {};
  }

  // The frontier's nodes are the roots of the largest perfect subtrees; those of heights 8 * level to
  // 8 * level + 7 lie over the hashes of the partial tile.
  [[nodiscard]] bool fits(int level, const std::vector<Hash>& tile) const {
    Frontier of_tile;
    for (const Hash& hash : tile) of_tile.append(hash);
    const std::uint64_t above =
        level + 1 < kTileLevels ? walked_.size().value >> ((level + 1) * kTileHeight) : 0;
    const auto nodes = walked_.nodes().subspan(static_cast<std::size_t>(std::popcount(above)));
    const auto expected = of_tile.nodes();
    return nodes.size() >= expected.size() &&
           std::equal(expected.begin(), expected.end(), nodes.begin());
  }

  LogReader& log_;
  const Checkpoint& checkpoint_;
  Frontier& verified_;
  Frontier walked_;
  CheckedSink& sink_;
};

}  // namespace

Result<void> check_entries(LogReader& log, const Checkpoint& checkpoint, Frontier& verified,
                           CheckedSink& sink) {
  return EntryCheck(log, checkpoint, verified, sink).run();
}

}  // namespace pgtally
