#include "base/read_ahead.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

namespace pgtally {
namespace {

using Block = std::vector<int>;

TEST(ReadAhead, hands_over_every_block_in_order) {
  int made = 0;
  ReadAhead<Block> ahead(3, [&](Block& block) -> Result<bool> {
    if (made == 1000) return false;
    block.assign(2, made++);
    return true;
  });
  Block block;
  for (int i = 0; i < 1000; ++i) {
    const auto more = ahead.next(block);
    ASSERT_TRUE(more.ok() && *more);
    ASSERT_EQ(block, Block(2, i));
  }
  EXPECT_FALSE(*ahead.next(block));
  EXPECT_FALSE(*ahead.next(block));
}

TEST(ReadAhead, tells_of_an_error_after_the_blocks_before_it) {
  int made = 0;
  ReadAhead<Block> ahead(4, [&](Block& block) -> Result<bool> {
    if (made == 3) return operator_error("the disk is gone");
    block.assign(1, made++);
    return true;
  });
  Block block;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(*ahead.next(block));
  for (int i = 0; i < 2; ++i) {
    const auto more = ahead.next(block);
    ASSERT_FALSE(more.ok());
    EXPECT_EQ(more.error().message, "the disk is gone");
  }
}

TEST(ReadAhead, is_no_more_than_the_allowed_blocks_ahead) {
  std::atomic<int> made = 0;
  ReadAhead<Block> ahead(2, [&](Block& block) -> Result<bool> {
    block.assign(1, made++);
    return true;
  });
  Block block;
  for (int taken = 1; taken <= 50; ++taken) {
    ASSERT_TRUE(*ahead.next(block));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_LE(made, taken + 3);
  }
}

TEST(ReadAhead, allocates_its_blocks_once) {
  std::vector<const int*> places;
  ReadAhead<Block> ahead(1, [&](Block& block) -> Result<bool> {
    block.resize(1000);
    places.push_back(block.data());
    return places.size() <= 100;
  });
  Block block;
  while (*ahead.next(block)) {
  }
  std::sort(places.begin(), places.end());
  EXPECT_LE(std::unique(places.begin(), places.end()) - places.begin(), 4);
}

TEST(ReadAhead, ends_early_without_making_the_rest) {
  std::atomic<int> made = 0;
  {
    ReadAhead<Block> ahead(1, [&](Block&) -> Result<bool> { return ++made > 0; });
    Block block;
    ASSERT_TRUE(*ahead.next(block));
  }
  const int at_the_end = made;
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(made, at_the_end);
  EXPECT_LE(at_the_end, 4);
}

}  // namespace
}  // namespace pgtally
