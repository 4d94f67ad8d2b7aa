#include "cli/terminal/table.h"

#include <gtest/gtest.h>

namespace pgtally::cli {
namespace {

TEST(Table, aligns_columns_by_what_is_seen_and_leaves_no_trailing_blanks) {
  Table table({{"source"}, {"entries", Align::kRight}, {"last key"}}, 2);
  table.add({"payment", "12,880,431", "12880431"});
  table.add({"gebühr", "3", ""});
  table.add({"日本", "1", "x"});
  EXPECT_EQ(table.text(),
            "  source      entries  last key\n"
            "  payment  12,880,431  12880431\n"
            "  gebühr            3\n"
            "  日本              1  x\n");
}

TEST(Table, without_titles_has_no_header) {
  Table table({{""}, {""}});
  table.add({"a", "b"});
  EXPECT_EQ(table.text(), "a  b\n");
}

TEST(Table, takes_missing_and_surplus_cells_and_shows_control_characters) {
  Table table({{"a"}, {"b"}});
  table.add({"\033[31m"});
  table.add({"1", "2", "3"});
  EXPECT_EQ(table.text(), "a         b\n\\x1b[31m\n1         2\n");
}

}  // namespace
}  // namespace pgtally::cli
