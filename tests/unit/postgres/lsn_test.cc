#include "postgres/lsn.h"

#include <gtest/gtest.h>

namespace pgtally::pg {
namespace {

TEST(Lsn, prints_as_postgresql_does_and_reads_it_back) {
  const std::vector<std::pair<std::uint64_t, std::string>> known = {
      {0, "0/0"},
      {0x16B3748, "0/16B3748"},
      {0x1'0000'0000, "1/0"},
      {0xABCD'00EF'0000'0A01, "ABCD00EF/A01"},
      {UINT64_MAX, "FFFFFFFF/FFFFFFFF"}};
  for (const auto& [value, text] : known) {
    EXPECT_EQ(to_string(Lsn{value}), text);
    const auto parsed = parse_lsn(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(parsed->value, value);
  }
}

TEST(Lsn, takes_lower_case_and_leading_zeros) {
  EXPECT_EQ(parse_lsn("00000001/0000abcd")->value, 0x1'0000'ABCDU);
}

TEST(Lsn, refuses_what_is_none) {
  for (const char* text : {"", "/", "0", "0/", "/0", "0/0/0", "0/123456789", "123456789/0", "0/x",
                           "-1/0", "0/-1", "+1/0", "0x1/0", " 0/0", "0/0 ", "0/ 0"}) {
    EXPECT_FALSE(parse_lsn(text).ok()) << text;
  }
}

TEST(Lsn, orders_as_the_log_runs) {
  EXPECT_LT(*parse_lsn("0/FFFFFFFF"), *parse_lsn("1/0"));
}

}  // namespace
}  // namespace pgtally::pg
