#include "format/times.h"

#include <gtest/gtest.h>

namespace pgtally {
namespace {

// The numbers are what `date -u -d … +%s` and PostgreSQL's extract(epoch from …) say.
TEST(Times, are_utc_with_six_decimals) {
  const Time time{1'795'356'207'118'204};
  EXPECT_EQ(time_for_people(time), "2026-11-22 14:03:27.118204 UTC");
  EXPECT_EQ(time_as_rfc3339(time), "2026-11-22T14:03:27.118204Z");
  EXPECT_EQ(time_as_rfc3339(Time{0}), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(time_as_rfc3339(Time{-1}), "1969-12-31T23:59:59.999999Z");
}

TEST(Times, know_leap_days) {
  EXPECT_EQ(time_as_rfc3339(Time{951'782'400'000'000}), "2000-02-29T00:00:00.000000Z");
  EXPECT_EQ(time_as_rfc3339(Time{951'868'800'000'000}), "2000-03-01T00:00:00.000000Z");
  EXPECT_EQ(time_as_rfc3339(Time{4'107'542'400'000'000}), "2100-03-01T00:00:00.000000Z");
}

TEST(Times, reach_as_far_as_64_bits_do) {
  EXPECT_EQ(time_as_rfc3339(Time{253'402'300'799'999'999}), "9999-12-31T23:59:59.999999Z");
  EXPECT_EQ(time_as_rfc3339(Time{INT64_MAX - 1}), "+294247-01-10T04:00:54.775806Z");
  EXPECT_EQ(time_as_rfc3339(Time{-62'167'219'200'000'000}), "0000-01-01T00:00:00.000000Z");
  EXPECT_EQ(time_as_rfc3339(Time{-210'866'803'200'000'000}), "-004713-11-24T00:00:00.000000Z");
}

TEST(Times, of_a_witness_whose_clock_runs_wild_stay_in_range) {
  EXPECT_EQ(time_of_seconds(1'795'003'601).microseconds, 1'795'003'601'000'000);
  EXPECT_EQ(time_as_rfc3339(time_of_seconds(UINT64_MAX)), "+294247-01-10T04:00:54.000000Z");
}

TEST(Times, that_are_none_or_infinite_say_so) {
  EXPECT_EQ(time_for_people(Time{Time::kNone}), "none");
  EXPECT_EQ(time_as_rfc3339(Time{Time::kNone}), "");
  EXPECT_EQ(time_for_people(Time{Time::kInfinity}), "infinity");
  EXPECT_EQ(time_as_rfc3339(Time{Time::kMinusInfinity}), "-infinity");
}

}  // namespace
}  // namespace pgtally
