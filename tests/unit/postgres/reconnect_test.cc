#include "postgres/reconnect.h"

#include <gtest/gtest.h>

namespace pgtally::pg {
namespace {

using std::chrono::milliseconds;

constexpr Backoff::Limits kLimits{milliseconds(100), milliseconds(1000)};

TEST(Backoff, doubles_up_to_its_bound) {
  Backoff backoff(kLimits, [] { return 1.0; });
  for (const int expected : {100, 200, 400, 800, 1000, 1000, 1000}) {
    EXPECT_EQ(backoff.next_delay(), milliseconds(expected));
  }
  EXPECT_EQ(backoff.attempts(), 7U);
}

TEST(Backoff, never_waits_less_than_half) {
  Backoff backoff(kLimits, [] { return 0.0; });
  for (const int expected : {50, 100, 200, 400, 500, 500}) {
    EXPECT_EQ(backoff.next_delay(), milliseconds(expected));
  }
}

TEST(Backoff, starts_again_after_a_success) {
  Backoff backoff(kLimits, [] { return 1.0; });
  (void)backoff.next_delay();
  (void)backoff.next_delay();
  backoff.reset();
  EXPECT_EQ(backoff.attempts(), 0U);
  EXPECT_EQ(backoff.next_delay(), milliseconds(100));
}

TEST(Backoff, does_not_overflow_after_many_failures) {
  Backoff backoff({milliseconds(1), milliseconds::max()}, [] { return 0.5; });
  for (int i = 0; i < 1000; ++i) EXPECT_GE(backoff.next_delay(), milliseconds(0));
}

}  // namespace
}  // namespace pgtally::pg
