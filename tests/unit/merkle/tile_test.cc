#include "merkle/tile.h"

#include <gtest/gtest.h>

namespace pgtally {
namespace {

// Spec: C2SP tlog-tiles, section "Partial Tiles", whose example this is.
TEST(Tile, widths_are_those_of_the_example_in_tlog_tiles) {
  const TreeSize size{70000};
  EXPECT_EQ(tiles_at_level(0, size), 274U);
  EXPECT_EQ(tile_width({0, 272}, size), 256U);
  EXPECT_EQ(tile_width({0, 273}, size), 112U);
  EXPECT_EQ(tile_width({0, 274}, size), 0U);
  EXPECT_EQ(tiles_at_level(1, size), 2U);
  EXPECT_EQ(tile_width({1, 0}, size), 256U);
  EXPECT_EQ(tile_width({1, 1}, size), 17U);
  EXPECT_EQ(tiles_at_level(2, size), 1U);
  EXPECT_EQ(tile_width({2, 0}, size), 1U);
  EXPECT_EQ(tiles_at_level(3, size), 0U);
}

TEST(Tile, of_a_tree_of_256_is_one_full_tile_and_a_partial_one_above) {
  EXPECT_EQ(tile_width({0, 0}, {256}), 256U);
  EXPECT_EQ(tile_width({0, 1}, {256}), 0U);
  EXPECT_EQ(tile_width({1, 0}, {256}), 1U);
  EXPECT_EQ(tile_width({0, 0}, {0}), 0U);
}

TEST(Tile, widths_are_right_at_the_last_64_bit_size) {
  const TreeSize size{UINT64_MAX};
  EXPECT_EQ(tiles_at_level(0, size), std::uint64_t{1} << 56);
  EXPECT_EQ(tile_width({0, (std::uint64_t{1} << 56) - 1}, size), 255U);
  EXPECT_EQ(tile_width({0, UINT64_MAX}, size), 0U);
  EXPECT_EQ(tile_width({7, 0}, size), 255U);
  EXPECT_EQ(tile_width({8, 0}, size), 0U);
  EXPECT_EQ(tile_width({63, 0}, size), 0U);
}

TEST(TilePath, is_written_as_in_tlog_tiles) {
  EXPECT_EQ(tile_path({{0, 1234067}, 256}), "tile/0/x001/x234/067");
  EXPECT_EQ(tile_path({{0, 0}, 256}), "tile/0/000");
  EXPECT_EQ(tile_path({{1, 999}, 17}), "tile/1/999.p/17");
  EXPECT_EQ(tile_path({{2, 1000}, 255}), "tile/2/x001/000.p/255");
  EXPECT_EQ(tile_path({{0, UINT64_MAX}, 256}), "tile/0/x018/x446/x744/x073/x709/x551/615");
}

TEST(TilePath, is_read_back_as_it_was_written) {
  for (const int level : {0, 1, 7, 63}) {
    for (const std::uint64_t index :
         {std::uint64_t{0}, std::uint64_t{9}, std::uint64_t{999}, std::uint64_t{1000},
          std::uint64_t{1000000}, std::uint64_t{1234067}, UINT64_MAX}) {
      for (const std::uint32_t width : {1U, 9U, 255U, 256U}) {
        const TileRequest request{{level, index}, width};
        const auto parsed = parse_tile_path(tile_path(request));
        ASSERT_TRUE(parsed.ok()) << parsed.error().message;
        EXPECT_EQ(*parsed, request);
      }
    }
  }
}

TEST(TilePath, that_could_be_written_otherwise_is_refused) {
  for (const char* path : {
           "",
           "tile/",
           "tile/0",
           "tile/0/",
           "/tile/0/000",
           "tile/0/000/",
           "tile//000",
           "tile/64/000",
           "tile/00/000",
           "tile/-1/000",
           "tile/+1/000",
           "tile/18446744073709551616/000",
           "tile/entries/000",
           "tile/0/0",
           "tile/0/0000",
           "tile/0/x000",
           "tile/0/x000/001",
           "tile/0/001/001",
           "tile/0/x001/x001",
           "tile/0/x001001",
           "tile/0/x1/001",
           "tile/0/abc",
           "tile/0/x018/x446/x744/x073/x709/x551/616",
           "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
           "tile/0/000.p/",
           "tile/0/000.p/0",
           "tile/0/000.p/01",
           "tile/0/000.p/256",
           "tile/0/000.p/1/",
           "tile/0/000.p/1.p/1",
           "tile/0/.p/1",
           "tile/0/000.p",
           "tile/0/000 ",
       }) {
    const auto parsed = parse_tile_path(path);
    ASSERT_FALSE(parsed.ok()) << path;
    EXPECT_EQ(parsed.error().code, ErrorCode::kReject);
  }
}

}  // namespace
}  // namespace pgtally
