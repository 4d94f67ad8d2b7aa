#include "merkle/frontier.h"

#include <gtest/gtest.h>

#include <bit>
#include <tuple>

#include "merkle/tree.h"
#include "support/leaves.h"
#include "support/merkle_reference.h"

namespace pgtally {
namespace {

class Recorder final : public SubtreeSink {
 public:
  void completed(int height, std::uint64_t index, const Hash& hash) override {
    seen.emplace_back(height, index, hash);
  }
  std::vector<std::tuple<int, std::uint64_t, Hash>> seen;
};

TEST(Frontier, has_the_root_that_rfc_6962_defines_at_every_size_up_to_700) {
  const auto leaves = numbered_leaves(700);
  reference::List list(leaves);
  reference::Tree tree(list);
  Frontier frontier;
  EXPECT_EQ(frontier.root(), empty_root());
  for (std::uint64_t size = 1; size <= leaves.size(); ++size) {
    frontier.append(leaves[size - 1]);
    ASSERT_EQ(frontier.size(), TreeSize{size});
    ASSERT_EQ(frontier.root(), tree.mth(0, size)) << size;
    ASSERT_EQ(root_of(std::span(leaves).first(size)), tree.mth(0, size)) << size;
  }
}

TEST(Frontier, gives_the_same_root_when_it_is_restored_at_any_size) {
  const auto leaves = numbered_leaves(300);
  const Hash expected = root_of(leaves);
  Frontier before;
  for (std::size_t split = 0; split <= leaves.size(); ++split) {
    auto after = Frontier::restore(before.size(), before.nodes());
    ASSERT_TRUE(after.ok());
    for (std::size_t i = split; i < leaves.size(); ++i) after->append(leaves[i]);
    ASSERT_EQ(after->root(), expected) << split;
    if (split < leaves.size()) before.append(leaves[split]);
  }
}

TEST(Frontier, holds_one_hash_for_each_bit_of_its_size_the_largest_subtree_first) {
  const auto leaves = numbered_leaves(200);
  reference::List list(leaves);
  reference::Tree tree(list);
  Frontier frontier;
  for (std::uint64_t size = 1; size <= leaves.size(); ++size) {
    frontier.append(leaves[size - 1]);
    std::vector<Hash> expected;
    for (std::uint64_t at = 0; at < size;) {
      const std::uint64_t width = std::bit_floor(size - at);
      expected.push_back(tree.mth(at, at + width));
      at += width;
    }
    const auto nodes = frontier.nodes();
    ASSERT_EQ(std::vector<Hash>(nodes.begin(), nodes.end()), expected) << size;
  }
}

TEST(Frontier, tells_of_each_perfect_subtree_once_the_smallest_first) {
  const auto leaves = numbered_leaves(600);
  reference::List list(leaves);
  reference::Tree tree(list);
  Frontier frontier;
  for (std::uint64_t i = 0; i < leaves.size(); ++i) {
    Recorder recorder;
    frontier.append(leaves[i], recorder);
    std::vector<std::tuple<int, std::uint64_t, Hash>> expected;
    for (int height = 0; (i + 1) % (std::uint64_t{1} << height) == 0; ++height) {
      const std::uint64_t width = std::uint64_t{1} << height;
      expected.emplace_back(height, i / width, tree.mth(i + 1 - width, i + 1));
    }
    ASSERT_EQ(recorder.seen, expected) << i;
  }
}

TEST(Frontier, refuses_to_be_restored_with_a_wrong_number_of_hashes) {
  const auto nodes = numbered_leaves(65);
  for (const auto& [size, count] : std::vector<std::pair<std::uint64_t, std::size_t>>{
           {0, 1}, {1, 0}, {1, 2}, {3, 1}, {4, 2}, {UINT64_MAX, 63}, {UINT64_MAX, 65}}) {
    const auto restored = Frontier::restore({size}, std::span(nodes).first(count));
    ASSERT_FALSE(restored.ok()) << size;
    EXPECT_EQ(restored.error().code, ErrorCode::kReject);
  }
  EXPECT_TRUE(Frontier::restore({UINT64_MAX}, std::span(nodes).first(64)).ok());
}

TEST(Frontier, grows_to_the_last_64_bit_size) {
  const auto nodes = numbered_leaves(63);
  auto frontier = Frontier::restore({UINT64_MAX - 1}, nodes);
  ASSERT_TRUE(frontier.ok());
  Recorder recorder;
  frontier->append(numbered_leaf(0), recorder);
  EXPECT_EQ(frontier->size(), TreeSize{UINT64_MAX});
  EXPECT_EQ(frontier->nodes().size(), 64U);
  EXPECT_EQ(recorder.seen.size(), 1U);
}

}  // namespace
}  // namespace pgtally
