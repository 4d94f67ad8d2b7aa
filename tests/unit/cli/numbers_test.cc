#include "cli/terminal/numbers.h"

#include <gtest/gtest.h>

namespace pgtally::cli {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Numbers, have_a_comma_before_every_three_digits) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1000), "1,000");
  EXPECT_EQ(with_thousands(18'204'117), "18,204,117");
  EXPECT_EQ(with_thousands(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(Numbers, spans_get_coarser_as_they_get_longer) {
  EXPECT_EQ(short_span(microseconds(0)), "0.0 s");
  EXPECT_EQ(short_span(milliseconds(312)), "0.3 s");
  EXPECT_EQ(short_span(milliseconds(9949)), "9.9 s");
  EXPECT_EQ(short_span(milliseconds(9951)), "10 s");
  EXPECT_EQ(short_span(milliseconds(59'600)), "1 min 0 s");
  EXPECT_EQ(short_span(seconds(200)), "3 min 20 s");
  EXPECT_EQ(short_span(seconds(7500)), "2 h 5 min");
  EXPECT_EQ(short_span(hours(99)), "4 d 3 h");
  EXPECT_EQ(short_span(seconds(-42)), "42 s");
  EXPECT_EQ(short_span(microseconds::min()), "106,751,991 d 4 h");
}

TEST(Numbers, counted_things_are_singular_only_when_there_is_one) {
  EXPECT_EQ(counted(0, "row", "rows"), "0 rows");
  EXPECT_EQ(counted(1, "row", "rows"), "1 row");
  EXPECT_EQ(counted(2000, "row", "rows"), "2,000 rows");
}

}  // namespace
}  // namespace pgtally::cli
