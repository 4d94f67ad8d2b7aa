#include "postgres/quote.h"

#include <gtest/gtest.h>

namespace pgtally::pg {
namespace {

using std::string_literals::operator""s;

std::string value_or_error(const Result<std::string>& result) {
  return result.ok() ? *result : "error";
}

TEST(Quote, makes_any_name_an_identifier) {
  EXPECT_EQ(value_or_error(quote_identifier("Order Lines")), "\"Order Lines\"");
  EXPECT_EQ(value_or_error(quote_identifier("a\"b\"\"")), "\"a\"\"b\"\"\"\"\"");
  EXPECT_EQ(value_or_error(quote_identifier("select")), "\"select\"");
  EXPECT_EQ(value_or_error(quote_identifier("\u00e9\\")), "\"\u00e9\\\"");
  EXPECT_EQ(value_or_error(quote_qualified("a.b", "c")), "\"a.b\".\"c\"");
}

TEST(Quote, refuses_names_that_the_server_would_cut_or_misread) {
  EXPECT_FALSE(quote_identifier("").ok());
  EXPECT_FALSE(quote_identifier("a\0b"s).ok());
  EXPECT_FALSE(quote_identifier("\xff").ok());
  EXPECT_TRUE(quote_identifier(std::string(63, 'x')).ok());
  EXPECT_FALSE(quote_identifier(std::string(64, 'x')).ok());
}

TEST(Quote, makes_any_text_a_literal) {
  EXPECT_EQ(value_or_error(quote_literal("")), "''");
  EXPECT_EQ(value_or_error(quote_literal("it's")), "'it''s'");
  EXPECT_EQ(value_or_error(quote_literal("\\'; DROP")), " E'\\\\''; DROP'");
  EXPECT_FALSE(quote_literal("a\0b"s).ok());
  EXPECT_FALSE(quote_literal("\xed\xa0\x80").ok());
}

}  // namespace
}  // namespace pgtally::pg
