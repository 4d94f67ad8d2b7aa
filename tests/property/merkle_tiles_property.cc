// However the appends are cut into batches, and wherever the cutter is restored from what a store
// would have kept, the tiles are those of the whole tree, and proofs come from them alone.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "merkle/tile_cutter.h"
#include "support/leaves.h"
#include "support/memory_tiles.h"
#include "support/tile_folder.h"

namespace pgtally {
namespace {

const std::vector<Hash>& all_leaves() {
  static const std::vector<Hash> leaves = numbered_leaves(3000);
  return leaves;
}

RC_GTEST_PROP(TileCutterProperty, tiles_do_not_depend_on_batches_and_restarts,
              (const std::vector<bool>& restarts)) {
  const auto& leaves = all_leaves();
  TileFolder folder;
  TileCutter cutter;
  std::size_t done = 0;
  for (const bool restart : restarts) {
    const auto batch = *rc::gen::inRange<std::size_t>(0, 600);
    for (std::size_t i = 0; i < batch && done < leaves.size(); ++i) cutter.append(leaves[done++]);
    if (!restart) continue;
    folder.apply(cutter.take_writes());
    auto restored = TileCutter::restore(cutter.frontier().size(), cutter.frontier().nodes(),
                                        cutter.partial_leaves());
    RC_ASSERT(restored.ok());
    cutter = std::move(*restored);
  }
  folder.apply(cutter.take_writes());

  MemoryTiles memory{std::span(leaves).first(done)};
  RC_ASSERT(cutter.frontier().size() == memory.size());
  std::size_t expected = 0;
  for (int level = 0; level < kTileLevels; ++level) {
    for (std::uint64_t index = 0; index < tiles_at_level(level, memory.size()); ++index) {
      const TileRequest request{{level, index}, tile_width({level, index}, memory.size())};
      const auto hashes = memory.read(std::span(&request, 1)).value().front();
      if (level == 0 && request.width < kTileWidth) {
        const auto partial = cutter.partial_leaves();
        RC_ASSERT(std::vector<Hash>(partial.begin(), partial.end()) == hashes);
        continue;
      }
      ++expected;
      RC_ASSERT(folder.tiles[request.tile] == hashes);
    }
  }
  RC_ASSERT(folder.tiles.size() == expected);
}

RC_GTEST_PROP(TilePathProperty, is_read_back_as_it_was_written, (std::uint64_t index)) {
  const TileRequest request{{*rc::gen::inRange(0, kMaxTileLevelInPath + 1), index},
                            *rc::gen::inRange(1U, kTileWidth + 1)};
  RC_ASSERT(parse_tile_path(tile_path(request)).value() == request);
}

RC_GTEST_PROP(TilePathProperty, has_one_text_only, (const std::string& noise)) {
  const std::string path = "tile/" + noise;
  const auto parsed = parse_tile_path(path);
  if (parsed.ok()) RC_ASSERT(tile_path(*parsed) == path);
}

}  // namespace
}  // namespace pgtally
