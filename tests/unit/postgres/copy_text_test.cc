#include "postgres/copy_text.h"

#include <gtest/gtest.h>

namespace pgtally::pg {
namespace {

using Values = std::vector<std::optional<std::string>>;

Values values_of(std::string_view line) {
  CopyLine parsed;
  Values values;
  if (!parsed.parse(line).ok()) return {"refused"};
  for (const auto& value : parsed.values()) {
    values.push_back(value ? std::optional(std::string(*value)) : std::nullopt);
  }
  return values;
}

TEST(CopyLine, is_taken_apart_at_its_tabs) {
  EXPECT_EQ(values_of("1\ttwo\tdrei €"), (Values{"1", "two", "drei €"}));
  EXPECT_EQ(values_of(""), (Values{""}));
  EXPECT_EQ(values_of("\t"), (Values{"", ""}));
}

TEST(CopyLine, tells_null_from_a_text_that_looks_like_it) {
  EXPECT_EQ(values_of("\\N\t\\\\N\tN"), (Values{std::nullopt, "\\N", "N"}));
}

TEST(CopyLine, gives_back_what_the_server_escaped) {
  EXPECT_EQ(values_of("a\\tb\\nc\\\\d\t\\b\\f\\r\\v\t\\\\x00ff"),
            (Values{"a\tb\nc\\d", "\b\f\r\v", "\\x00ff"}));
}

TEST(CopyLine, that_ends_within_an_escape_is_refused) {
  EXPECT_EQ(values_of("a\tb\\"), (Values{"refused"}));
}

TEST(CopyLine, keeps_nothing_of_the_line_before) {
  CopyLine line;
  ASSERT_TRUE(line.parse("a\\tb\tc").ok());
  ASSERT_TRUE(line.parse("\\N").ok());
  ASSERT_EQ(line.values().size(), 1);
  EXPECT_FALSE(line.values()[0].has_value());
}

}  // namespace
}  // namespace pgtally::pg
