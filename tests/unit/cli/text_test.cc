#include "cli/terminal/text.h"

#include <gtest/gtest.h>

namespace pgtally::cli {
namespace {

TEST(Text, width_counts_columns_and_not_bytes) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("Größe"), 5U);
  EXPECT_EQ(display_width("e\xcc\x81"), 1U);  // e and a combining accent
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("🙂"), 2U);
  EXPECT_EQ(display_width("\xff\xfe"), 2U);
}

TEST(Text, printable_lets_nothing_through_that_a_terminal_would_obey) {
  EXPECT_EQ(printable("\033[2J"), "\\x1b[2J");
  EXPECT_EQ(printable("a\nb\r\t\x7f"), "a\\x0ab\\x0d\\x09\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\u{009b}31m");  // CSI as one character
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "cba"),
            "\\u{202e}cba");  // right-to-left override
  EXPECT_EQ(printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(printable("Größe 日本 🙂"), "Größe 日本 🙂");
}

TEST(Text, cut_never_exceeds_the_width_and_never_splits_a_character) {
  EXPECT_EQ(cut("abcdef", 6), "abcdef");
  EXPECT_EQ(cut("abcdef", 5), "abcd…");
  EXPECT_EQ(cut("日本語", 5), "日本…");
  EXPECT_EQ(cut("日本語", 4), "日…");
  EXPECT_EQ(cut("abc", 0), "");
  EXPECT_EQ(cut("abc", 1), "…");
}

TEST(Text, padding_fills_columns_and_leaves_longer_text_alone) {
  EXPECT_EQ(pad_right("ö", 3), "ö  ");
  EXPECT_EQ(pad_left("日", 3), " 日");
  EXPECT_EQ(pad_left("abcd", 3), "abcd");
}

TEST(Text, indent_prefixes_every_line_that_is_not_empty) {
  EXPECT_EQ(indent("a\n\nb", "  "), "  a\n\n  b");
}

}  // namespace
}  // namespace pgtally::cli
