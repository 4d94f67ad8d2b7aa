// Which entries are wrong where times go back along a log.
#include "audit/time_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace pgtally {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::uint64_t> misfits_of(const std::vector<std::int64_t>& times) {
  TimeOrder order;
  for (std::size_t i = 0; i < times.size(); ++i) order.take(LeafIndex{i}, Time{times[i]});
  order.finish();
  std::vector<std::uint64_t> ids;
  for (const TimeOrder::Misfit& misfit : order.take_misfits()) ids.push_back(misfit.id.value);
  return ids;
}

TEST(TimeOrder, finds_nothing_in_times_that_never_go_back) {
  EXPECT_THAT(misfits_of({}), IsEmpty());
  EXPECT_THAT(misfits_of({7}), IsEmpty());
  EXPECT_THAT(misfits_of({1, 1, 2, 2, 2, 9}), IsEmpty());
}

TEST(TimeOrder, accuses_what_was_dated_back_or_forth_and_not_its_neighbours) {
  EXPECT_THAT(misfits_of({5, 6, 7, 3, 8, 9}), ElementsAre(3));
  EXPECT_THAT(misfits_of({5, 6, 99, 7, 8, 9}), ElementsAre(2));
  // Side by side, and at the end, where nothing follows.
  EXPECT_THAT(misfits_of({5, 6, 7, 3, 3, 8}), ElementsAre(3, 4));
  EXPECT_THAT(misfits_of({5, 6, 7, 3, 3}), ElementsAre(3, 4));
  EXPECT_THAT(misfits_of({5, 6, 7, 3, 2, 4}), ElementsAre(3, 4, 5));
  EXPECT_THAT(misfits_of({5, 6, 99, 99, 7, 8, 9}), ElementsAre(2, 3));
  EXPECT_THAT(misfits_of({99, 5, 6}), ElementsAre(0));
  // In one batch, whose entries have one time.
  EXPECT_THAT(misfits_of({5, 5, 5, 4, 4, 5}), ElementsAre(3, 4));
}

TEST(TimeOrder, takes_the_earlier_for_right_where_both_may_be) {
  EXPECT_THAT(misfits_of({6, 7, 3, 4}), ElementsAre(2, 3));
  EXPECT_THAT(misfits_of({7, 3}), ElementsAre(1));
}

// Alone, either of the last two could be wrong.
TEST(TimeOrder, believes_those_that_are_no_suspects) {
  for (const bool known : {false, true}) {
    TimeOrder order;
    for (const std::uint64_t id : {1U, 2U, 9U, 4U}) {
      order.take(LeafIndex{id}, Time{static_cast<std::int64_t>(id)});
    }
    std::optional<TimeOrder::Range> suspects;
    if (known) suspects = {LeafIndex{9}, LeafIndex{10}};
    order.finish(suspects);
    const auto misfits = order.take_misfits();
    ASSERT_EQ(misfits.size(), 1u);
    EXPECT_EQ(misfits[0].id, LeafIndex{known ? 9U : 4U});
    EXPECT_EQ(order.last(), Time{known ? 4 : 9});
  }
}

TEST(TimeOrder, says_between_which_times_a_misfit_stands) {
  TimeOrder order;
  const std::vector<std::int64_t> times{5, 6, 2, 3, 7, 8, 1};
  for (std::size_t i = 0; i < times.size(); ++i) order.take(LeafIndex{i}, Time{times[i]});
  order.finish();
  const auto misfits = order.take_misfits();
  ASSERT_EQ(misfits.size(), 3u);
  EXPECT_EQ(misfits[0].before, Time{6});
  EXPECT_EQ(misfits[1].before, Time{6});
  EXPECT_EQ(misfits[0].after, Time{7});
  EXPECT_EQ(misfits[1].after, Time{7});
  EXPECT_EQ(misfits[2].before, Time{8});
  EXPECT_EQ(misfits[2].after, Time{});
  EXPECT_EQ(order.first(), Time{5});
  EXPECT_EQ(order.last(), Time{8});
  EXPECT_THAT(order.take_misfits(), IsEmpty());
}

TEST(TimeOrder, is_decided_while_entries_keep_coming) {
  std::vector<std::int64_t> times;
  for (std::int64_t i = 0; i < 5000; ++i) times.push_back(i / 3);
  std::vector<std::uint64_t> expected;
  for (std::uint64_t i = 2000; i < 2100; ++i) {
    times[i] = 9'000'000;
    expected.push_back(i);
  }
  for (const std::uint64_t i : {300U, 2700U, 2701U, 4998U, 4999U}) {
    times[i] = 1;
    expected.push_back(i);
  }
  std::ranges::sort(expected);
  EXPECT_EQ(misfits_of(times), expected);
}

// No fewer can be wrong: held against trying all.
TEST(TimeOrder, accuses_as_few_as_have_to_be_wrong) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::int64_t> times(1 + random() % 10);
    for (std::int64_t& time : times) time = static_cast<std::int64_t>(random() % 6);
    std::size_t fewest = times.size();
    for (std::uint32_t kept = 0; kept < 1U << times.size(); ++kept) {
      std::vector<std::int64_t> left;
      for (std::size_t i = 0; i < times.size(); ++i) {
        if (kept >> i & 1) left.push_back(times[i]);
      }
      if (std::ranges::is_sorted(left)) fewest = std::min(fewest, times.size() - left.size());
    }
    const auto misfits = misfits_of(times);
    ASSERT_EQ(misfits.size(), fewest);
    std::vector<std::int64_t> left;
    for (std::size_t i = 0; i < times.size(); ++i) {
      if (!std::ranges::binary_search(misfits, i)) left.push_back(times[i]);
    }
    ASSERT_TRUE(std::ranges::is_sorted(left));
  }
}

}  // namespace
}  // namespace pgtally
