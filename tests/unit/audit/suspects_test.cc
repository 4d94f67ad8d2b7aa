// Which rows are explained by what the log pass has found already.

#include "audit/suspects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crypto/sha256.h"
#include "pgtally/key.h"
#include "pgtally/merkle.h"

namespace pgtally {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Bytes key_of(const std::string& text) {
  return *encode_key(std::vector<std::string>{text});
}

Entry entry_of(const std::string& source, const std::string& key) {
  Entry entry;
  entry.source = source;
  entry.key = key_of(key);
  entry.sequenced_at = Time{1};
  entry.content_hash = sha256(key);
  return entry;
}

Hash leaf_of(const Entry& entry) {
  return leaf_hash(*encode(entry));
}

std::optional<std::uint64_t> claim(Suspects& suspects, const std::string& source,
                                   const std::string& key, bool has_no_entry = true) {
  const auto id = suspects.claim_lost(source, {key}, key_of(key), has_no_entry);
  return id ? std::optional(id->value) : std::nullopt;
}

TEST(Suspects, doubt_nothing_that_nobody_told_them_of) {
  const Suspects suspects;
  EXPECT_EQ(suspects.doubt(LeafIndex{0}), Doubt::kNone);
}

TEST(Suspects, doubt_what_is_bad_and_each_entry_of_a_range) {
  Suspects suspects;
  suspects.add_bad(LeafIndex{7});
  suspects.add_bad(LeafIndex{12});
  suspects.add_range(LeafIndex{10}, LeafIndex{20});
  for (const auto& [id, doubt] : std::map<std::uint64_t, Doubt>{{6, Doubt::kNone},
                                                                {7, Doubt::kBad},
                                                                {8, Doubt::kNone},
                                                                {9, Doubt::kNone},
                                                                {10, Doubt::kRange},
                                                                {12, Doubt::kBad},
                                                                {19, Doubt::kRange},
                                                                {20, Doubt::kNone}}) {
    EXPECT_EQ(suspects.doubt(LeafIndex{id}), doubt) << id;
  }
}

TEST(Suspects, take_a_range_for_pinned_once_a_row_shows_which_entry_of_it_is_bad) {
  Suspects suspects;
  suspects.add_range(LeafIndex{10}, LeafIndex{20});
  suspects.add_range(LeafIndex{30}, LeafIndex{40});
  suspects.pin(LeafIndex{20});
  EXPECT_FALSE(suspects.is_pinned(LeafIndex{10}, LeafIndex{20}));
  suspects.pin(LeafIndex{19});
  EXPECT_TRUE(suspects.is_pinned(LeafIndex{10}, LeafIndex{20}));
  EXPECT_FALSE(suspects.is_pinned(LeafIndex{30}, LeafIndex{40}));
  EXPECT_FALSE(suspects.is_pinned(LeafIndex{10}, LeafIndex{19}));
}

TEST(Suspects, explain_no_row_where_nothing_is_lost) {
  Suspects suspects;
  suspects.add_bad(LeafIndex{7});
  EXPECT_EQ(claim(suspects, "payment", "1"), std::nullopt);
  EXPECT_THAT(suspects.claimed(), IsEmpty());
}

TEST(Suspects, explain_one_row_by_each_entry_that_cannot_be_read) {
  Suspects suspects;
  suspects.add_lost({LeafIndex{5}, "payment", {}, {}});
  suspects.add_lost({LeafIndex{6}, "payment", {}, {}});
  EXPECT_EQ(claim(suspects, "login", "1"), std::nullopt);
  EXPECT_EQ(claim(suspects, "payment", "1"), 5);
  EXPECT_EQ(claim(suspects, "payment", "2", false),
            6);  // its last entry may be the one that is lost
  EXPECT_EQ(claim(suspects, "payment", "3"), std::nullopt);
  ASSERT_EQ(suspects.claimed().size(), 2U);
  const auto& first = suspects.claimed().begin();
  EXPECT_EQ(first->first, LeafIndex{5});
  EXPECT_EQ(first->second.source, "payment");
  EXPECT_THAT(first->second.key, ElementsAre("1"));
}

TEST(Suspects, explain_a_row_of_any_source_by_an_entry_of_which_nothing_is_known) {
  Suspects suspects;
  suspects.add_lost({LeafIndex{5}, "", {}, {}});
  EXPECT_EQ(claim(suspects, "login", "1"), 5);
  EXPECT_EQ(claim(suspects, "payment", "1"), std::nullopt);
}

TEST(Suspects, explain_a_row_by_an_entry_that_can_be_read_only_if_its_key_is_the_rows) {
  Suspects suspects;
  suspects.add_lost({LeafIndex{5}, "", {}, entry_of("payment", "1")});
  EXPECT_EQ(claim(suspects, "payment", "2"), std::nullopt);
  EXPECT_EQ(claim(suspects, "payment", "1"), 5);
}

TEST(Suspects, explain_a_row_by_an_entry_whose_recorded_leaf_is_that_of_the_row) {
  // Its key was edited; the tile still has the leaf that it had.
  const Entry then = entry_of("payment", "1");
  Entry now = then;
  now.key = key_of("99");
  Suspects suspects;
  suspects.add_lost({LeafIndex{5}, "", leaf_of(then), now});
  EXPECT_EQ(claim(suspects, "payment", "99"), std::nullopt);
  EXPECT_EQ(claim(suspects, "payment", "2"), std::nullopt);
  EXPECT_EQ(claim(suspects, "login", "1"), std::nullopt);
  EXPECT_EQ(claim(suspects, "payment", "1"), 5);
}

TEST(Suspects, find_the_row_of_an_entry_whose_source_or_operation_was_edited) {
  const Entry then = entry_of("payment", "1");
  Entry moved = then;
  moved.source = "login";
  Entry deleted = then;
  deleted.operation = Operation::kDelete;
  Entry updated = then;
  updated.operation = Operation::kUpdate;
  for (const Entry& now : {moved, deleted, updated}) {
    Suspects suspects;
    suspects.add_lost({LeafIndex{5}, "", leaf_of(then), now});
    EXPECT_EQ(claim(suspects, "payment", "1"), 5) << name_of(now.operation) << " " << now.source;
  }
}

TEST(Suspects, explain_no_row_by_an_entry_whose_recorded_leaf_is_another) {
  Entry now = entry_of("payment", "1");
  const Hash recorded = leaf_of(now);
  now.content_hash = sha256("another content");  // so nobody can say which row it was
  Suspects suspects;
  suspects.add_lost({LeafIndex{5}, "", recorded, now});
  EXPECT_EQ(claim(suspects, "payment", "1"), std::nullopt);
}

TEST(Suspects, explain_some_rows_without_any_entry_by_a_range_and_no_others) {
  Suspects suspects;
  suspects.add_range(LeafIndex{10}, LeafIndex{20});
  EXPECT_EQ(claim(suspects, "payment", "0", false), std::nullopt);
  int explained = 0;
  while (claim(suspects, "payment", std::to_string(explained + 1)) == 10U) ++explained;
  EXPECT_EQ(explained, 16);
  EXPECT_EQ(suspects.claimed().count(LeafIndex{10}), 16U);
}

TEST(Suspects, explain_a_row_by_what_is_known_of_one_entry_before_a_range) {
  Suspects suspects;
  suspects.add_range(LeafIndex{10}, LeafIndex{20});
  suspects.add_lost({LeafIndex{5}, "payment", {}, {}});
  EXPECT_EQ(claim(suspects, "payment", "1"), 5);
  EXPECT_EQ(claim(suspects, "payment", "2"), 10);
}

}  // namespace
}  // namespace pgtally
