#include "cli/terminal/progress.h"

#include <gtest/gtest.h>

#include "cli/terminal/text.h"

namespace pgtally::cli {
namespace {

using std::chrono::seconds;

TEST(Progress, shows_share_counts_rate_and_time_left) {
  EXPECT_EQ(
      progress_line(
          {.doing = "sequencing", .done = 500'000, .total = 2'000'000, .elapsed = seconds(2)}, 100),
      "sequencing  ██████                     25%  500,000 of 2,000,000  250,000/s  6.0 s left");
}

TEST(Progress, without_a_total_that_holds_shows_neither_bar_nor_time_left) {
  EXPECT_EQ(progress_line({.doing = "reading", .done = 10, .total = {}, .elapsed = seconds(2)}, 80),
            "reading  10  5/s");
  EXPECT_EQ(progress_line({.doing = "reading", .done = 10, .total = 9, .elapsed = seconds(2)}, 80),
            "reading  10  5/s");
}

TEST(Progress, never_takes_more_than_one_line) {
  const ProgressState state{
      .doing = "sequencing", .done = 1, .total = UINT64_MAX, .elapsed = seconds(2)};
  for (std::size_t width = 0; width < 120; ++width) {
    EXPECT_LE(display_width(progress_line(state, width)), width);
  }
}

TEST(Progress, says_nothing_where_there_is_no_terminal) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* memory = ::open_memstream(&text, &size);
  {
    Output output(memory, memory, false);
    Progress progress(output, "sequencing", 10);
    progress.update(5);
  }
  std::fclose(memory);
  EXPECT_EQ(std::string(text), "");
  std::free(text);
}

}  // namespace
}  // namespace pgtally::cli
