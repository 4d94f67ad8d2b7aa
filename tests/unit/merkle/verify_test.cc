// What no proof can be right about. Proofs that are wrong in a small way are in
// tests/property/merkle_proof.cc.
#include <gtest/gtest.h>

#include "pgtally/merkle.h"
#include "support/leaves.h"

namespace pgtally {
namespace {

constexpr std::uint64_t kMost = UINT64_MAX;
const Hash kLeaf = numbered_leaf(0);
const Hash kOther = numbered_leaf(1);

void expect(ErrorCode code, const Result<void>& verdict) {
  ASSERT_FALSE(verdict.ok());
  EXPECT_EQ(verdict.error().code, code);
  EXPECT_FALSE(verdict.error().message.empty());
}

TEST(Subtree, is_valid_where_the_draft_says_so) {
  EXPECT_TRUE((Subtree{0, 0}.is_valid()));
  EXPECT_TRUE((Subtree{7, 7}.is_valid()));
  EXPECT_TRUE((Subtree{0, 7}.is_valid()));
  EXPECT_TRUE((Subtree{7, 8}.is_valid()));
  EXPECT_TRUE((Subtree{8, 13}.is_valid()));
  EXPECT_TRUE((Subtree{4, 8}.is_valid()));
  EXPECT_FALSE((Subtree{8, 7}.is_valid()));
  EXPECT_FALSE((Subtree{1, 5}.is_valid()));
  EXPECT_FALSE((Subtree{4, 9}.is_valid()));
}

TEST(Subtree, is_valid_or_not_at_the_edge_of_64_bits) {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 63;
  EXPECT_TRUE((Subtree{0, kMost}.is_valid()));
  EXPECT_TRUE((Subtree{kMost, kMost}.is_valid()));
  EXPECT_TRUE((Subtree{kMost - 1, kMost}.is_valid()));
  EXPECT_TRUE((Subtree{kHalf, kMost}.is_valid()));
  EXPECT_TRUE((Subtree{kHalf, kHalf + 1}.is_valid()));
  EXPECT_FALSE((Subtree{1, kMost}.is_valid()));
  EXPECT_FALSE((Subtree{kHalf - 1, kMost}.is_valid()));
  EXPECT_FALSE((Subtree{kHalf + 1, kMost}.is_valid()));
  EXPECT_FALSE((Subtree{kHalf / 2, kHalf + 1}.is_valid()));
  EXPECT_FALSE((Subtree{kMost, 0}.is_valid()));
}

TEST(Verify, refuses_an_entry_that_the_tree_cannot_have) {
  expect(ErrorCode::kReject, verify_inclusion({0}, {0}, kLeaf, {}, kLeaf));
  expect(ErrorCode::kReject, verify_inclusion({1}, {1}, kLeaf, {}, kLeaf));
  expect(ErrorCode::kReject, verify_inclusion({kMost}, {kMost}, kLeaf, {}, kLeaf));
  expect(ErrorCode::kReject, verify_subtree_inclusion({3}, {4, 8}, kLeaf, {}, kLeaf));
  expect(ErrorCode::kReject, verify_subtree_inclusion({8}, {4, 8}, kLeaf, {}, kLeaf));
  expect(ErrorCode::kReject, verify_subtree_inclusion({5}, {5, 5}, kLeaf, {}, empty_root()));
  expect(ErrorCode::kReject, verify_subtree_inclusion({5}, {4, 9}, kLeaf, {}, kLeaf));
  expect(ErrorCode::kReject, verify_subtree_inclusion({5}, {9, 4}, kLeaf, {}, kLeaf));
}

TEST(Verify, refuses_sizes_that_cannot_follow_each_other) {
  expect(ErrorCode::kReject, verify_consistency({2}, {1}, kLeaf, kLeaf, {}));
  expect(ErrorCode::kReject, verify_consistency({kMost}, {0}, kLeaf, kLeaf, {}));
  expect(ErrorCode::kReject, verify_subtree_consistency({4, 8}, {7}, {}, kLeaf, kLeaf));
  expect(ErrorCode::kReject, verify_subtree_consistency({4, 9}, {9}, {}, kLeaf, kLeaf));
  expect(ErrorCode::kReject, verify_subtree_consistency({9, 8}, {9}, {}, kLeaf, kLeaf));
  expect(ErrorCode::kReject, verify_subtree_consistency({9, 9}, {8}, {}, empty_root(), kLeaf));
}

TEST(Verify, an_empty_tree_grows_into_every_tree_and_has_one_root) {
  EXPECT_TRUE(verify_consistency({0}, {0}, empty_root(), empty_root(), {}).ok());
  EXPECT_TRUE(verify_consistency({0}, {9}, empty_root(), kLeaf, {}).ok());
  expect(ErrorCode::kTampered, verify_consistency({0}, {9}, kLeaf, kLeaf, {}));
  expect(ErrorCode::kTampered, verify_consistency({0}, {0}, kLeaf, empty_root(), {}));
  expect(ErrorCode::kTampered, verify_consistency({0}, {0}, empty_root(), kLeaf, {}));
  expect(ErrorCode::kTampered, verify_consistency({0}, {0}, kLeaf, kLeaf, {}));
  expect(ErrorCode::kTampered,
         verify_consistency({0}, {9}, empty_root(), kLeaf, std::span(&kLeaf, 1)));
  EXPECT_TRUE(verify_subtree_consistency({7, 7}, {9}, {}, empty_root(), kLeaf).ok());
  expect(ErrorCode::kTampered, verify_subtree_consistency({7, 7}, {9}, {}, kLeaf, kLeaf));
}

TEST(Verify, trees_of_one_size_are_consistent_only_if_they_are_the_same) {
  for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{6}, kMost}) {
    EXPECT_TRUE(verify_consistency({size}, {size}, kLeaf, kLeaf, {}).ok());
    expect(ErrorCode::kTampered, verify_consistency({size}, {size}, kLeaf, kOther, {}));
    expect(ErrorCode::kTampered,
           verify_consistency({size}, {size}, kLeaf, kLeaf, std::span(&kLeaf, 1)));
  }
}

TEST(Verify, refuses_a_proof_of_any_length_but_the_right_one) {
  const auto hashes = numbered_leaves(1000);
  for (std::size_t length = 0; length <= hashes.size(); length += length < 70 ? 1 : 310) {
    const auto path = std::span(hashes).first(length);
    for (const std::uint64_t size : {std::uint64_t{1}, std::uint64_t{8}, kMost}) {
      if (size == 1 && length == 0) continue;
      expect(ErrorCode::kTampered, verify_inclusion({size - 1}, {size}, kLeaf, path, kOther));
      expect(ErrorCode::kTampered, verify_subtree_inclusion({0}, {0, size}, kLeaf, path, kOther));
      expect(ErrorCode::kTampered, verify_consistency({1}, {size}, kLeaf, kOther, path));
      expect(ErrorCode::kTampered,
             verify_subtree_consistency({0, size / 2 + 1}, {size}, path, kLeaf, kOther));
    }
  }
}

// A proof that stops early leads to the root of a part of the tree, which must not pass for the
// root of the whole.
TEST(Verify, refuses_a_proof_that_stops_early_even_if_it_leads_to_the_root_that_is_claimed) {
  const Hash pair = node_hash(kLeaf, kOther);
  expect(ErrorCode::kTampered, verify_inclusion({0}, {4}, kLeaf, {}, kLeaf));
  expect(ErrorCode::kTampered, verify_inclusion({0}, {4}, kLeaf, std::span(&kOther, 1), pair));
  expect(ErrorCode::kTampered, verify_subtree_inclusion({4}, {4, 8}, kLeaf, {}, kLeaf));
  expect(ErrorCode::kTampered, verify_consistency({4}, {8}, kLeaf, kLeaf, {}));
  expect(ErrorCode::kTampered, verify_consistency({1}, {4}, kLeaf, pair, std::span(&kOther, 1)));
  expect(ErrorCode::kTampered, verify_subtree_consistency({4, 8}, {9}, {}, kLeaf, kLeaf));
}

TEST(Verify, says_that_a_length_is_wrong_where_it_is_and_which_hashes_differ_where_they_do) {
  const auto path = numbered_leaves(65);
  const auto longest = verify_inclusion({0}, {kMost}, kLeaf, std::span(path).first(64), kOther);
  EXPECT_NE(longest.error().message.find("another root"), std::string::npos);
  for (const std::size_t length : {63U, 65U}) {
    const auto wrong = verify_inclusion({0}, {kMost}, kLeaf, std::span(path).first(length), kOther);
    EXPECT_NE(wrong.error().message.find("wrong number"), std::string::npos);
  }
}

// A node must never pass for an entry: that is what the two prefixes are for.
TEST(Verify, a_node_is_no_entry) {
  Bytes entry;
  for (const Hash& hash : {kLeaf, kOther}) {
    entry.insert(entry.end(), hash.bytes.begin(), hash.bytes.end());
  }
  EXPECT_NE(leaf_hash(entry), node_hash(kLeaf, kOther));
  EXPECT_NE(node_hash(kLeaf, kOther), node_hash(kOther, kLeaf));
}

}  // namespace
}  // namespace pgtally
