#include "audit/pause_notice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgtally {
namespace {

using testing::ElementsAre;

std::string notice(const std::string& event, const std::string& sources) {
  return R"({"at":"2026-11-22T14:03:27.118204Z","detail":"d","event":")" + event +
         R"(","sources":)" + sources + R"(,"v":"1"})";
}

TEST(PauseNotice, says_of_which_sources_changes_are_not_recorded) {
  const auto paused = pause_of(notice("paused", R"(["payment","login"])"));
  ASSERT_TRUE(paused);
  EXPECT_EQ(paused->kind, PauseNotice::Kind::kBegins);
  EXPECT_THAT(paused->sources, ElementsAre("payment", "login"));
  const auto resumed = pause_of(notice("resumed", R"(["payment"])"));
  ASSERT_TRUE(resumed);
  EXPECT_EQ(resumed->kind, PauseNotice::Kind::kEnds);
  for (const char* event : {"missed", "resynchronised"}) {
    const auto missed = pause_of(notice(event, R"(["payment"])"));
    ASSERT_TRUE(missed);
    EXPECT_EQ(missed->kind, PauseNotice::Kind::kMissed);
  }
}

TEST(PauseNotice, is_no_notice_of_another_event_and_nothing_else) {
  EXPECT_FALSE(pause_of(notice("moved", R"(["payment"])")));
  EXPECT_FALSE(pause_of(notice("paused", R"("payment")")));
  EXPECT_FALSE(pause_of(R"({"sources":["payment"]})"));
  EXPECT_FALSE(pause_of(R"(["paused"])"));
  EXPECT_FALSE(pause_of("paused"));
  EXPECT_FALSE(pause_of(""));
}

}  // namespace
}  // namespace pgtally
