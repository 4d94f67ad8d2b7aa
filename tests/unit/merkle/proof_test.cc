#include "merkle/proof.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/leaves.h"
#include "support/memory_tiles.h"
#include "support/merkle_reference.h"

namespace pgtally {
namespace {

constexpr std::uint64_t kHead = 600;

class Proof : public testing::Test {
 protected:
  std::vector<Hash> leaves_ = numbered_leaves(kHead);
  MemoryTiles tiles_{leaves_};
  reference::List list_{leaves_};
  reference::Tree tree_{list_};
};

// Sizes on both sides of where tiles and levels begin, and some in between.
const std::vector<std::uint64_t> kSizes = {1,   2,   3,   5,   127, 128, 129, 200, 255,
                                           256, 257, 258, 300, 383, 511, 512, 513, 600};

TEST_F(Proof, root_is_as_defined_at_every_size) {
  for (std::uint64_t size = 0; size <= kHead; ++size) {
    ASSERT_EQ(root_at(tiles_, {size}).value(), tree_.mth(0, size)) << size;
  }
}

TEST_F(Proof, of_inclusion_is_as_defined_and_verifies_for_every_entry) {
  for (const std::uint64_t size : kSizes) {
    const Hash root = tree_.mth(0, size);
    for (std::uint64_t index = 0; index < size; ++index) {
      const auto proof = prove_inclusion(tiles_, {index}, {size}).value();
      ASSERT_EQ(proof, tree_.path(index, 0, size)) << index << " in " << size;
      ASSERT_TRUE(verify_inclusion({index}, {size}, leaves_[index], proof, root).ok());
    }
  }
}

// Nodes that were computed once, from tiles as wide as at the head.
class KeptNodes final : public NodeReader {
 public:
  explicit KeptNodes(TileReader& tiles) : tiles_(tiles) {}
  [[nodiscard]] TreeSize size() const override { return tiles_.size(); }
  [[nodiscard]] Result<std::vector<Hash>> roots(std::span<const TilePart> parts,
                                                TreeSize) override {
    std::vector<Hash> roots;
    for (const TilePart& part : parts) {
      const TileRequest request{part.tile, tile_width(part.tile, size())};
      const TileNodes nodes(tiles_.read(std::span(&request, 1)).value()[0]);
      EXPECT_EQ(nodes.width(), request.width);
      roots.push_back(nodes.root(part.offset, part.count));
    }
    return roots;
  }

 private:
  TileReader& tiles_;
};

TEST_F(Proof, from_nodes_that_were_kept_is_the_one_from_tiles) {
  KeptNodes nodes(tiles_);
  for (const std::uint64_t size : kSizes) {
    ASSERT_EQ(root_at(nodes, {size}).value(), tree_.mth(0, size)) << size;
    for (std::uint64_t index = 0; index < size; ++index) {
      ASSERT_EQ(prove_inclusion(nodes, {index}, {size}).value(), tree_.path(index, 0, size))
          << index << " in " << size;
    }
    for (std::uint64_t from = 1; from <= size; from += 3) {
      ASSERT_EQ(prove_consistency(nodes, {from}, {size}).value(), tree_.proof(from, size))
          << from << " to " << size;
    }
  }
}

TEST_F(Proof, of_consistency_is_as_defined_and_verifies_from_every_size) {
  for (const std::uint64_t to : kSizes) {
    for (std::uint64_t from = 1; from <= to; ++from) {
      const auto proof = prove_consistency(tiles_, {from}, {to}).value();
      ASSERT_EQ(proof, tree_.proof(from, to)) << from << " to " << to;
      ASSERT_TRUE(
          verify_consistency({from}, {to}, tree_.mth(0, from), tree_.mth(0, to), proof).ok());
    }
  }
}

TEST_F(Proof, of_consistency_as_defined_verifies_for_all_pairs_of_sizes) {
  for (std::uint64_t to = 1; to <= kHead; ++to) {
    for (std::uint64_t from = 1; from <= to; from += (to % 7) + 1) {
      ASSERT_TRUE(verify_consistency({from}, {to}, tree_.mth(0, from), tree_.mth(0, to),
                                     tree_.proof(from, to))
                      .ok())
          << from << " to " << to;
    }
  }
}

TEST_F(Proof, of_a_subtree_is_as_defined_and_verifies_for_every_subtree) {
  for (const std::uint64_t size : {257U, 600U}) {
    for (std::uint64_t start = 0; start < size; ++start) {
      for (std::uint64_t end = start + 1; end <= size; end += 1 + (end - start) / 3) {
        if (!Subtree{start, end}.is_valid()) continue;
        const auto proof = prove_subtree_consistency(tiles_, {start, end}, {size}).value();
        ASSERT_EQ(proof, tree_.subtree_proof(start, end, size)) << start << " " << end;
        ASSERT_TRUE(verify_subtree_consistency({start, end}, {size}, proof, tree_.mth(start, end),
                                               tree_.mth(0, size))
                        .ok());
        const std::uint64_t index = start + (end - start) / 2;
        const auto path = prove_subtree_inclusion(tiles_, {index}, {start, end}).value();
        ASSERT_EQ(path, tree_.path(index - start, start, end));
        ASSERT_TRUE(verify_subtree_inclusion({index}, {start, end}, leaves_[index], path,
                                             tree_.mth(start, end))
                        .ok());
      }
    }
  }
}

TEST_F(Proof, reads_once_and_no_more_than_two_tiles_of_a_level) {
  MemoryTiles large(numbered_leaves(70000));
  const auto expect_cheap = [&](const auto& what) {
    large.calls = 0;
    large.requested.clear();
    what();
    EXPECT_LE(large.calls, 1);
    for (int level = 0; level < kTileLevels; ++level) {
      EXPECT_LE(std::ranges::count(large.requested, level,
                                   [](const TileRequest& r) { return r.tile.level; }),
                2);
    }
  };
  for (const std::uint64_t at : {1U, 255U, 256U, 4711U, 65535U, 65536U, 69999U}) {
    expect_cheap([&] { ASSERT_TRUE(root_at(large, {at}).ok()); });
    expect_cheap([&] { ASSERT_TRUE(prove_inclusion(large, {at}, {70000}).ok()); });
    expect_cheap([&] { ASSERT_TRUE(prove_consistency(large, {at}, {70000}).ok()); });
    expect_cheap([&] { ASSERT_TRUE(prove_subtree_consistency(large, {0, at}, {70000}).ok()); });
    expect_cheap([&] { ASSERT_TRUE(prove_subtree_inclusion(large, {at}, {0, at + 1}).ok()); });
  }
}

TEST_F(Proof, asks_for_tiles_as_wide_as_they_were_at_the_size_of_the_proof) {
  ASSERT_TRUE(prove_inclusion(tiles_, {3}, {300}).ok());
  for (const TileRequest& request : tiles_.requested) {
    EXPECT_EQ(request.width, tile_width(request.tile, {300}));
  }
}

TEST_F(Proof, reads_nothing_where_nothing_has_to_be_proved) {
  EXPECT_EQ(root_at(tiles_, {0}).value(), empty_root());
  EXPECT_TRUE(prove_inclusion(tiles_, {0}, {1}).value().empty());
  EXPECT_TRUE(prove_consistency(tiles_, {0}, {5}).value().empty());
  EXPECT_TRUE(prove_consistency(tiles_, {5}, {5}).value().empty());
  EXPECT_TRUE(prove_consistency(tiles_, {0}, {0}).value().empty());
  EXPECT_TRUE(prove_subtree_consistency(tiles_, {7, 7}, {9}).value().empty());
  EXPECT_EQ(tiles_.calls, 0);
}

TEST_F(Proof, beyond_the_head_or_out_of_range_is_refused_with_the_limit) {
  const auto expect_refused = [](const auto& result, const char* limit) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kReject);
    EXPECT_NE(result.error().message.find(limit), std::string::npos) << result.error().message;
  };
  expect_refused(root_at(tiles_, {601}), "600");
  expect_refused(root_at(tiles_, {UINT64_MAX}), "600");
  expect_refused(subtree_root_at(tiles_, {600, 601}), "600");
  expect_refused(subtree_root_at(tiles_, {1, 3}), "[1, 3)");
  expect_refused(prove_inclusion(tiles_, {600}, {600}), "size 600");
  expect_refused(prove_inclusion(tiles_, {0}, {0}), "size 0");
  expect_refused(prove_inclusion(tiles_, {UINT64_MAX}, {UINT64_MAX}), "size 18446744073709551615");
  expect_refused(prove_inclusion(tiles_, {0}, {601}), "600 entries");
  expect_refused(prove_consistency(tiles_, {2}, {1}), "size 1");
  expect_refused(prove_consistency(tiles_, {1}, {601}), "600 entries");
  expect_refused(prove_subtree_inclusion(tiles_, {3}, {4, 8}), "[4, 8)");
  expect_refused(prove_subtree_inclusion(tiles_, {8}, {4, 8}), "[4, 8)");
  expect_refused(prove_subtree_inclusion(tiles_, {4}, {4, 4}), "[4, 4)");
  expect_refused(prove_subtree_inclusion(tiles_, {600}, {600, 601}), "600 entries");
  expect_refused(prove_subtree_consistency(tiles_, {8, 4}, {600}), "[8, 4)");
  expect_refused(prove_subtree_consistency(tiles_, {4, 9}, {600}), "[4, 9)");
  expect_refused(prove_subtree_consistency(tiles_, {4, 8}, {7}), "size 7");
  expect_refused(prove_subtree_consistency(tiles_, {4, 8}, {601}), "600 entries");
}

// A store that answers with something else than it was asked for.
class BrokenTiles final : public TileReader {
 public:
  [[nodiscard]] TreeSize size() const override { return {600}; }
  [[nodiscard]] Result<std::vector<std::vector<Hash>>> read(std::span<const TileRequest>) override {
    return answer;
  }
  Result<std::vector<std::vector<Hash>>> answer = std::vector<std::vector<Hash>>{};
};

TEST(ProofFromABrokenStore, is_an_error_and_not_a_wrong_proof) {
  BrokenTiles broken;
  EXPECT_EQ(root_at(broken, {5}).error().code, ErrorCode::kTampered);
  broken.answer = std::vector<std::vector<Hash>>{numbered_leaves(4)};
  EXPECT_EQ(root_at(broken, {5}).error().code, ErrorCode::kTampered);
  broken.answer = std::vector<std::vector<Hash>>{numbered_leaves(6)};
  EXPECT_EQ(root_at(broken, {5}).error().code, ErrorCode::kTampered);
  broken.answer = retry("the connection was lost");
  EXPECT_EQ(root_at(broken, {5}).error().code, ErrorCode::kRetry);
}

}  // namespace
}  // namespace pgtally
