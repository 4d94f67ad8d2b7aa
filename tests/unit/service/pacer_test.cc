// When the service works and when it rests, by a clock that the tests move.
#include "service/pacer.h"

#include <gtest/gtest.h>

namespace pgtally {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds kInterval{1000};

// A loop whose work takes as long as a test says. It rests no longer than it must.
class Loop {
 public:
  Rest works(Pacer::Duration cost, Found found = Found::kSomething) {
    rest_ = pacer_.rest_after(rested_, cost, found);
    rested_ = rest_.at_least;
    worked_ += cost;
    passed_ += cost + rested_;
    return rest_;
  }
  // As long as it may, because nothing came.
  void rests_to_the_end() {
    passed_ += rest_.at_most - rested_;
    rested_ = rest_.at_most;
  }
  void rests(Pacer::Duration time) { rested_ += time; }

  [[nodiscard]] double share() const {
    return static_cast<double>(worked_.count()) / static_cast<double>(passed_.count());
  }

 private:
  Pacer pacer_{kInterval};
  Rest rest_;
  Pacer::Duration rested_{0};
  Pacer::Duration worked_{0};
  Pacer::Duration passed_{0};
};

TEST(Pacer, takes_rows_that_come_after_a_pause_at_once_and_a_few_more_after_them) {
  Loop loop;
  loop.works(1ms, Found::kNothing);
  loop.rests(5s);
  EXPECT_EQ(loop.works(4ms).at_least, 0ms);
  EXPECT_EQ(loop.works(4ms).at_least, 0ms);
  EXPECT_EQ(loop.works(4ms).at_least, 0ms);
}

TEST(Pacer, takes_a_twentieth_of_a_cpu_from_whoever_keeps_writing) {
  Loop loop;
  for (int i = 0; i < 1000; ++i) loop.works(4ms);
  EXPECT_NEAR(loop.share(), 1.0 / 21, 0.001);
}

TEST(Pacer, lets_nobody_cut_short_the_rest_that_it_owes) {
  Loop loop;
  for (int i = 0; i < 100; ++i) loop.works(4ms);
  EXPECT_EQ(loop.works(4ms).at_least, 80ms);
  EXPECT_EQ(loop.works(1ms, Found::kNothing).at_least, 20ms);
}

TEST(Pacer, rests_no_longer_than_half_a_second_however_long_a_batch_took) {
  Loop loop;
  EXPECT_EQ(loop.works(10s).at_least, 500ms);
  EXPECT_EQ(loop.works(100ms).at_least, 500ms);
  EXPECT_EQ(loop.works(4ms).at_least, 80ms);  // and owes nothing for what was long ago
}

TEST(Pacer, does_not_rest_while_more_is_known_to_wait) {
  Loop loop;
  for (int i = 0; i < 100; ++i) {
    const Rest rest = loop.works(300ms, Found::kMoreWaits);
    EXPECT_EQ(rest.at_least, 0ms);
    EXPECT_EQ(rest.at_most, 0ms);
  }
  EXPECT_EQ(loop.works(300ms).at_least, 500ms);
}

TEST(Pacer, looks_less_and_less_often_where_nothing_comes) {
  Loop loop;
  milliseconds expected = Pacer::kShortestRest;
  for (int i = 0; i < 20; ++i) {
    expected = std::min(expected * 2, kInterval);
    const Rest rest = loop.works(0ms, Found::kNothing);
    EXPECT_EQ(rest.at_most, expected);
    EXPECT_EQ(rest.at_least, 0ms);  // and can be woken
    loop.rests_to_the_end();
  }
  EXPECT_EQ(loop.works(1ms).at_most, Pacer::kShortestRest);
}

TEST(Pacer, saves_up_for_a_few_cycles_and_no_more) {
  Loop loop;
  loop.works(1ms, Found::kNothing);
  loop.rests(1h);
  EXPECT_EQ(loop.works(30ms).at_least, 100ms);  // of which 25 ms were saved
}

TEST(Pacer, never_rests_longer_than_the_interval) {
  Pacer pacer(10ms);
  const Rest rest = pacer.rest_after(0ms, 1s, Found::kSomething);
  EXPECT_EQ(rest.at_least, 10ms);
  EXPECT_EQ(rest.at_most, 10ms);
}

}  // namespace
}  // namespace pgtally
