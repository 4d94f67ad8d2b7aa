#include "merkle/tile_cutter.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/leaves.h"
#include "support/memory_tiles.h"
#include "support/tile_folder.h"

namespace pgtally {
namespace {

// The tiles that have to be stored for these leaves: all but the partial one at level 0.
std::map<TileId, std::vector<Hash>> tiles_from_scratch(const std::vector<Hash>& leaves) {
  MemoryTiles memory(leaves);
  std::map<TileId, std::vector<Hash>> tiles;
  for (int level = 0; level < kTileLevels; ++level) {
    for (std::uint64_t index = 0; index < tiles_at_level(level, memory.size()); ++index) {
      const TileRequest request{{level, index}, tile_width({level, index}, memory.size())};
      if (level == 0 && request.width < kTileWidth) continue;
      tiles[request.tile] = memory.read(std::span(&request, 1)).value().front();
    }
  }
  return tiles;
}

TEST(TileCutter, cuts_the_tiles_of_the_whole_tree_when_it_is_restored_every_few_leaves) {
  const auto leaves = numbered_leaves(70000);
  TileFolder folder;
  TileCutter cutter;
  std::size_t batch = 1;
  for (std::size_t i = 0; i < leaves.size();) {
    const std::size_t end = std::min(i + batch, leaves.size());
    while (i < end) cutter.append(leaves[i++]);
    batch = batch * 7 % 1009 + 1;

    folder.apply(cutter.take_writes());
    auto restored = TileCutter::restore(cutter.frontier().size(), cutter.frontier().nodes(),
                                        cutter.partial_leaves());
    ASSERT_TRUE(restored.ok()) << restored.error().message;
    cutter = std::move(*restored);
  }
  EXPECT_EQ(folder.tiles, tiles_from_scratch(leaves));
}

TEST(TileCutter, takes_whole_tiles_as_it_takes_their_leaves) {
  const auto leaves = numbered_leaves(66'100);
  TileCutter one_by_one;
  TileCutter at_once;
  std::span<const Hash> rest = leaves;
  for (bool whole = true; !rest.empty(); whole = !whole) {
    const auto some = rest.first(std::min<std::size_t>(kTileWidth, rest.size()));
    for (const Hash& leaf : some) one_by_one.append(leaf);
    if (whole && some.size() == kTileWidth) {
      at_once.append_tile(some);
    } else {
      for (const Hash& leaf : some) at_once.append(leaf);
    }
    ASSERT_TRUE(std::ranges::equal(at_once.frontier().nodes(), one_by_one.frontier().nodes()));
    rest = rest.subspan(some.size());
  }
  EXPECT_TRUE(std::ranges::equal(at_once.partial_leaves(), one_by_one.partial_leaves()));
  EXPECT_EQ(at_once.take_writes(), one_by_one.take_writes());
}

TEST(TileCutter, writes_each_tile_once_in_order_however_many_leaves_a_batch_has) {
  const auto leaves = numbered_leaves(66000);
  TileCutter cutter;
  for (const Hash& leaf : leaves) cutter.append(leaf);
  const auto writes = cutter.take_writes();
  EXPECT_TRUE(std::ranges::is_sorted(writes, {}, &TileWrite::tile));
  EXPECT_EQ(std::ranges::adjacent_find(writes, {}, &TileWrite::tile), writes.end());
  ASSERT_EQ(writes.size(), 257U + 2U + 1U);
  EXPECT_TRUE(std::ranges::all_of(writes, [](const TileWrite& w) { return w.offset == 0; }));
  TileFolder folder;
  folder.apply(writes);
  EXPECT_EQ(folder.tiles, tiles_from_scratch(leaves));
  EXPECT_TRUE(cutter.take_writes().empty());
}

TEST(TileCutter, writes_nothing_while_the_first_tile_is_not_full) {
  TileCutter cutter;
  for (const Hash& leaf : numbered_leaves(255)) cutter.append(leaf);
  EXPECT_TRUE(cutter.take_writes().empty());
  EXPECT_EQ(cutter.partial_leaves().size(), 255U);

  cutter.append(numbered_leaf(255));
  const auto writes = cutter.take_writes();
  ASSERT_EQ(writes.size(), 2U);
  EXPECT_EQ(writes[0].tile, (TileId{0, 0}));
  EXPECT_EQ(writes[0].hashes, numbered_leaves(256));
  EXPECT_EQ(writes[1], (TileWrite{{1, 0}, 0, {cutter.frontier().root()}}));
  EXPECT_TRUE(cutter.partial_leaves().empty());
}

TEST(TileCutter, grows_a_tile_behind_what_is_stored_of_it) {
  TileCutter cutter;
  for (const Hash& leaf : numbered_leaves(600)) cutter.append(leaf);
  (void)cutter.take_writes();
  for (std::uint64_t i = 600; i < 768; ++i) cutter.append(numbered_leaf(i));
  const auto writes = cutter.take_writes();
  ASSERT_EQ(writes.size(), 2U);
  EXPECT_EQ(writes[1].tile, (TileId{1, 0}));
  EXPECT_EQ(writes[1].offset, 2U);
  EXPECT_EQ(writes[1].hashes.size(), 1U);
}

TEST(TileCutter, refuses_leaves_that_the_frontier_was_not_made_of) {
  const auto leaves = numbered_leaves(1000);
  Frontier frontier;
  for (const Hash& leaf : leaves) frontier.append(leaf);
  const std::vector<Hash> partial(leaves.end() - 1000 % 256, leaves.end());
  ASSERT_TRUE(TileCutter::restore({1000}, frontier.nodes(), partial).ok());
  for (std::size_t i = 0; i < partial.size(); ++i) {
    auto changed = partial;
    changed[i].bytes[31] ^= 1;
    const auto restored = TileCutter::restore({1000}, frontier.nodes(), changed);
    ASSERT_FALSE(restored.ok()) << i;
    EXPECT_EQ(restored.error().code, ErrorCode::kTampered);
  }
}

TEST(TileCutter, refuses_a_wrong_number_of_leaves_or_nodes) {
  const auto leaves = numbered_leaves(1000);
  Frontier frontier;
  for (const Hash& leaf : leaves) frontier.append(leaf);
  const auto partial = std::span(leaves).last(1000 % 256);
  for (const auto& restored :
       {TileCutter::restore({1000}, frontier.nodes(), partial.subspan(1)),
        TileCutter::restore({1000}, frontier.nodes(), {}),
        TileCutter::restore({1000}, frontier.nodes(), std::span(leaves).last(1000 % 256 + 1)),
        TileCutter::restore({1000}, frontier.nodes().first(2), partial),
        TileCutter::restore({999}, frontier.nodes(), partial)}) {
    ASSERT_FALSE(restored.ok());
    EXPECT_EQ(restored.error().code, ErrorCode::kReject);
  }
}

}  // namespace
}  // namespace pgtally
