// Texts that are made of binary values, against what the server's output functions write.
#include "postgres/output_text.h"

#include <cstdint>
#include <random>

#include "helpers.h"
#include "postgres/connection.h"
#include "postgres/copy.h"
#include "postgres/output_settings.h"

namespace pgtally::pg {
namespace {

using test::TestDatabase;

class OutputText : public ::testing::Test {
 protected:
  void SetUp() override { must(connection.execute(kOutputSettings)); }

  // Each value of the query's only column, both ways. How many there were.
  std::size_t compare(Type type, const std::string& sql) {
    std::vector<std::string> made;
    auto copy = must(CopyOut::start(connection, "COPY (" + sql + ") TO STDOUT (FORMAT binary)"));
    while (must(copy.next())) {
      EXPECT_TRUE(append_output_text(type, copy.field(0).bytes(), made.emplace_back()));
    }
    const Rows text = must(connection.query_text(sql));
    EXPECT_EQ(made.size(), text.size()) << sql;
    for (std::size_t r = 0; r < made.size(); ++r) {
      EXPECT_EQ(made[r], must(text.get<std::string>(r, 0)));
    }
    return text.size();
  }
  void compare_values(Type type, const std::string& name, const std::vector<std::string>& values) {
    std::string sql;
    for (const std::string& value : values) {
      sql += (sql.empty() ? "SELECT '" : " UNION ALL SELECT '") + value + "'::" + name;
    }
    EXPECT_EQ(compare(type, sql), values.size());
  }

  TestDatabase db;
  Connection connection = connect(db);
};

TEST_F(OutputText, of_numbers_is_the_servers) {
  compare_values(Type::kBool, "bool", {"t", "f"});
  compare_values(Type::kInt2, "int2", {"0", "-1", "32767", "-32768"});
  compare_values(Type::kInt4, "int4", {"0", "-1", "7", "2147483647", "-2147483648"});
  compare_values(Type::kInt8, "int8", {"0", "-1", "9223372036854775807", "-9223372036854775808"});
  compare_values(Type::kNumeric, "numeric",
                 {"0",        "0.0",       "0.00000",   "-0.1",       "1",
                  "10",       "9999",      "10000",     "10000.0001", "1e20",
                  "1e-20",    "-1.50",     "0.0001",    "0.00001",    "123456789.987654321",
                  "NaN",      "Infinity",  "-Infinity", "1e1000",     "1e-1000",
                  "99999999", "100000000", "0.9999",    "12.3400"});
  compare(Type::kNumeric,
          "SELECT (i * 7919 % 1999 / 1000.0 - 1) * (10::numeric ^ (i % 41 - 20)) FROM "
          "generate_series(1, 2000) AS i");
  compare(Type::kNumeric,
          "SELECT round(i * 48271::numeric * 69621 / 10007 - 5e8, i % 12) FROM generate_series(1, "
          "2000) AS i");
  compare(Type::kNumeric,
          "SELECT (i * 37 % 1000000 / 100.0)::numeric(12, 2) FROM "
          "generate_series(1, 2000) AS i");
}

TEST_F(OutputText, of_times_is_the_servers) {
  compare_values(
      Type::kDate, "date",
      {"2000-01-01", "1999-12-31", "2000-02-29", "1900-02-28", "0001-01-01", "0001-12-31 BC",
       "4713-01-01 BC", "9999-12-31", "10000-01-01", "5874897-12-31", "infinity", "-infinity"});
  // Every day of the calendar's 400 years, and days all over the range.
  EXPECT_EQ(
      compare(Type::kDate, "SELECT date '1799-12-25' + i FROM generate_series(1, 146100) AS i"),
      146'100u);
  compare(Type::kDate,
          "SELECT date '4713-01-01 BC' + i * 98765 FROM generate_series(0, 21700) AS i");
  const std::vector<std::string> times{"2000-01-01 00:00:00",
                                       "1999-12-31 23:59:59.999999",
                                       "2026-11-22 14:03:27.118204",
                                       "2026-11-22 14:03:27.1",
                                       "2026-11-22 14:03:27.000001",
                                       "0001-12-31 23:59:59.5 BC",
                                       "4713-01-01 00:00:00 BC",
                                       "294276-12-31 23:59:59.999999",
                                       "10000-01-01 00:00:00",
                                       "infinity",
                                       "-infinity"};
  compare_values(Type::kTimestamp, "timestamp", times);
  compare_values(Type::kTimestamptz, "timestamptz", times);
  for (const auto& [type, name] :
       {std::pair(Type::kTimestamp, "timestamp"), std::pair(Type::kTimestamptz, "timestamptz")}) {
    compare(type, std::string("SELECT ") + name +
                      " '2000-01-01' + i * interval '1234567.891011 seconds' FROM "
                      "generate_series(-100000, 100000, 37) AS i");
  }
}

TEST_F(OutputText, of_bytes_and_text_is_the_servers) {
  compare_values(Type::kUuid, "uuid",
                 {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
                  "01234567-89ab-cdef-0123-456789abcdef"});
  compare_values(Type::kBytea, "bytea", {"", "\\x00", "\\x0123456789abcdefff"});
  compare_values(Type::kText, "text", {"", "a", "\\x", "ä€😀", "\ttab"});
  compare_values(Type::kVarchar, "varchar(9)", {"", "a  "});
  compare_values(Type::kName, "name", {"", "a"});
  compare_values(Type::kJson, "json", {"{ \"b\" : 1, \"a\":[] }"});
  EXPECT_EQ(compare(Type::kBpchar, "SELECT 'EU'::char(5)"), 1u);
}

TEST_F(OutputText, of_bytes_that_are_no_value_is_refused) {
  std::string out;
  const auto is_made = [&](Type type, const Bytes& bytes) {
    return append_output_text(type, bytes, out);
  };
  for (const Type type : {Type::kBool, Type::kInt2, Type::kInt4, Type::kInt8, Type::kDate,
                          Type::kTimestamp, Type::kTimestamptz, Type::kUuid, Type::kNumeric}) {
    EXPECT_FALSE(is_made(type, {})) << name_of(type);
    EXPECT_FALSE(is_made(type, Bytes(3))) << name_of(type);
    EXPECT_FALSE(is_made(type, Bytes(17))) << name_of(type);
    EXPECT_TRUE(has_output_text(type));
  }
  // A digit of 10,000, a sign that is none, more digits than there are.
  EXPECT_FALSE(is_made(Type::kNumeric, {0, 1, 0, 0, 0, 0, 0, 0, 0x27, 0x10}));
  EXPECT_FALSE(is_made(Type::kNumeric, {0, 1, 0, 0, 0x12, 0, 0, 0, 0, 1}));
  EXPECT_FALSE(is_made(Type::kNumeric, {0, 2, 0, 0, 0, 0, 0, 0, 0, 1}));
  EXPECT_FALSE(has_output_text(Type::kFloat8));
  EXPECT_FALSE(is_made(Type::kFloat8, Bytes(8)));
}

}  // namespace
}  // namespace pgtally::pg
