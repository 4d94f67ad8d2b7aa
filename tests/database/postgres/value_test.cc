// Values on their way to the server and back.
#include <cstdint>
#include <limits>

#include "helpers.h"
#include "postgres/connection.h"

namespace pgtally::pg {
namespace {

using std::string_literals::operator""s;
using test::TestDatabase;

constexpr auto kLeastInt8 = std::numeric_limits<std::int64_t>::min();
constexpr auto kMostInt8 = std::numeric_limits<std::int64_t>::max();

class ValueTest : public ::testing::Test {
 protected:
  // What comes back for `SELECT $1`, and how the server prints it.
  template <typename T>
  T echo(const Params& params, const std::string& type) {
    return must(must(connection.query("SELECT $1::" + type, params)).get<T>(0, 0));
  }
  std::string printed(const Params& params, const std::string& type) {
    return must(must(connection.query_text("SELECT $1::" + type, params)).get<std::string>(0, 0));
  }
  template <typename T>
  Result<T> select(const std::string& expression) {
    TRY(const Rows rows, connection.query("SELECT " + expression));
    return rows.get<T>(0, 0);
  }

  TestDatabase db;
  Connection connection = connect(db);
};

TEST_F(ValueTest, numbers_come_back_up_to_their_limits) {
  for (const bool b : {false, true}) EXPECT_EQ(echo<bool>(Params().boolean(b), "bool"), b);
  for (const std::int16_t n : std::vector<std::int16_t>{INT16_MIN, -1, 0, INT16_MAX}) {
    EXPECT_EQ(echo<std::int16_t>(Params().int2(n), "int2"), n);
    EXPECT_EQ(printed(Params().int2(n), "int2"), std::to_string(n));
  }
  for (const std::int32_t n : {INT32_MIN, -1, 0, INT32_MAX}) {
    EXPECT_EQ(echo<std::int32_t>(Params().int4(n), "int4"), n);
    EXPECT_EQ(printed(Params().int4(n), "int4"), std::to_string(n));
  }
  for (const std::int64_t n : {kLeastInt8, std::int64_t{-1}, std::int64_t{0}, kMostInt8}) {
    EXPECT_EQ(echo<std::int64_t>(Params().int8(n), "int8"), n);
    EXPECT_EQ(printed(Params().int8(n), "int8"), std::to_string(n));
  }
}

TEST_F(ValueTest, other_numbers_are_read) {
  EXPECT_EQ(must(select<double>("-1.5::float8")), -1.5);
  EXPECT_EQ(must(select<std::uint32_t>("4294967295::oid")), 4294967295U);
  EXPECT_EQ(must(select<std::uint64_t>("'18446744073709551615'::xid8")), UINT64_MAX);
  EXPECT_EQ(must(select<std::uint64_t>("'1/2'::pg_lsn")), (std::uint64_t{1} << 32) + 2);
}

TEST_F(ValueTest, indexes_and_sizes_are_int8_and_never_negative) {
  const auto most = static_cast<std::uint64_t>(kMostInt8);
  EXPECT_EQ(echo<LeafIndex>(Params().index({most}), "int8").value, most);
  EXPECT_EQ(echo<TreeSize>(Params().tree_size({most}), "int8").value, most);
  EXPECT_FALSE(select<LeafIndex>("-1::int8").ok());
  EXPECT_FALSE(select<TreeSize>("-1::int8").ok());
  const auto refused = connection.query("SELECT $1::int8", Params().index({most + 1}));
  EXPECT_EQ(error_of(connection.query("SELECT $1::int8", Params().index({most + 1}))).code,
            ErrorCode::kReject);
}

TEST_F(ValueTest, text_and_bytes_come_back_whole) {
  for (const std::string& text : {""s, "x"s, "\u20ac \U0001F600 'quoted' \\ \n"s}) {
    EXPECT_EQ(echo<std::string>(Params().text(text), "text"), text);
    EXPECT_EQ(echo<std::string>(Params().unknown(text), "text"), text);
    EXPECT_EQ(echo<std::optional<std::string>>(Params().text_or_null(text), "text"), text);
  }
  for (const Bytes& bytes : {Bytes{}, Bytes{0}, Bytes{0, 255, '\\', '\''}}) {
    EXPECT_EQ(echo<Bytes>(Params().bytea(bytes), "bytea"), bytes);
  }
  Hash hash;
  hash.bytes.fill(0xa5);
  EXPECT_EQ(echo<Hash>(Params().hash(hash), "bytea"), hash);
}

TEST_F(ValueTest, empty_is_not_null) {
  EXPECT_EQ(
      must(must(connection.query("SELECT $1::text IS NULL, $2::bytea IS NULL, $3::text IS NULL",
                                 Params().text("").bytea({}).null()))
               .get<bool>(0, 2)),
      true);
  const Rows rows = must(connection.query("SELECT $1::text, $2::bytea, $3::text",
                                          Params().text("").bytea({}).unknown("")));
  for (std::size_t c = 0; c < 3; ++c) EXPECT_FALSE(rows.is_null(0, c));
}

TEST_F(ValueTest, names_and_other_texts_are_text) {
  for (const char* type : {"text", "varchar", "char(1)", "name", "json", "xml"}) {
    EXPECT_TRUE(select<std::string>("'1'::"s + type).ok()) << type;
  }
  EXPECT_EQ(must(select<std::string>("'blanks'::char(8)")), "blanks  ");
}

TEST_F(ValueTest, times_come_back_with_their_infinities) {
  const std::vector<std::pair<std::int64_t, std::string>> times = {
      {0, "1970-01-01 00:00:00+00"},
      {-1, "1969-12-31 23:59:59.999999+00"},
      {946'684'800'000'000, "2000-01-01 00:00:00+00"},
      {1'795'000'000'123'456, "2026-11-18 11:06:40.123456+00"},
      {-210'866'803'200'000'000, "4714-11-24 00:00:00+00 BC"},
      {Time::kInfinity, "infinity"},
      {Time::kMinusInfinity, "-infinity"},
      {Time::kInfinity - 1, "294247-01-10 04:00:54.775806+00"},
  };
  must(connection.execute("SET timezone = 'UTC'"));
  for (const auto& [time, text] : times) {
    EXPECT_EQ(printed(Params().time({time}), "timestamptz"), text);
    EXPECT_EQ(echo<Time>(Params().time({time}), "timestamptz").microseconds, time) << text;
    EXPECT_EQ(must(select<Time>("'" + text + "'::timestamptz")).microseconds, time);
  }
}

TEST_F(ValueTest, no_time_is_null) {
  EXPECT_TRUE(must(connection.query("SELECT $1::timestamptz", Params().time({}))).is_null(0, 0));
  EXPECT_EQ(must(select<Time>("NULL::timestamptz")).microseconds, Time::kNone);
  EXPECT_EQ(must(select<std::optional<Time>>("NULL::timestamptz")), std::nullopt);
}

TEST_F(ValueTest, times_that_do_not_fit_are_refused) {
  EXPECT_FALSE(select<Time>("'294247-01-10 04:00:54.775807+00'::timestamptz").ok());
  EXPECT_FALSE(select<Time>("'294276-12-31 23:59:59.999999+00'::timestamptz").ok());
  const Time too_early{Time::kMinusInfinity + 1};
  EXPECT_EQ(error_of(connection.query("SELECT $1::timestamptz", Params().time(too_early))).code,
            ErrorCode::kReject);
}

TEST_F(ValueTest, arrays_come_back_empty_or_full) {
  using Texts = std::vector<std::string>;
  for (const Texts& texts : {Texts{}, Texts{""}, Texts{"a", "b,{}\"", "NULL"}}) {
    EXPECT_EQ(echo<Texts>(Params().text_array(texts), "text[]"), texts);
  }
  const std::vector<Bytes> blobs = {{}, {0, 1, 255}};
  EXPECT_EQ(echo<std::vector<Bytes>>(Params().bytea_array(blobs), "bytea[]"), blobs);
  const std::vector<std::int64_t> numbers = {kLeastInt8, 0, kMostInt8};
  EXPECT_EQ(echo<std::vector<std::int64_t>>(Params().int8_array(numbers), "int8[]"), numbers);
  EXPECT_EQ(printed(Params().int8_array(numbers), "int8[]"),
            "{-9223372036854775808,0,9223372036854775807}");
}

TEST_F(ValueTest, arrays_with_nulls_or_more_dimensions_are_refused_where_they_do_not_fit) {
  EXPECT_FALSE(select<std::vector<std::string>>("ARRAY['a', NULL]").ok());
  const auto with_null = must(select<std::vector<std::optional<std::string>>>("ARRAY['a', NULL]"));
  EXPECT_EQ(with_null, (std::vector<std::optional<std::string>>{"a", std::nullopt}));
  EXPECT_FALSE(select<std::vector<std::string>>("ARRAY[['a'], ['b']]").ok());
  EXPECT_FALSE(select<std::vector<std::int64_t>>("ARRAY[1::int4]").ok());
}

TEST_F(ValueTest, unknown_text_is_read_by_the_type_that_the_statement_gives_it) {
  EXPECT_EQ(printed(Params().unknown(" 42 "), "numeric(6,2)"), "42.00");
  EXPECT_EQ(printed(Params().unknown("{1,2}"), "int4[]"), "{1,2}");
  EXPECT_EQ(error_of(connection.query("SELECT $1::date", Params().unknown("soon"))).code,
            ErrorCode::kOperator);
  EXPECT_EQ(connection.last_sqlstate(), "22007");
  EXPECT_EQ(error_of(connection.query("SELECT $1::text", Params().unknown("a\0b"s))).code,
            ErrorCode::kReject);
}

TEST_F(ValueTest, a_value_of_another_type_is_an_error_that_names_both) {
  const Error error = error_of(select<std::int64_t>("1::int4 AS one"));
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_EQ(error.message, "row 1, column 1 \"one\": int4 where int8 was expected");
  EXPECT_FALSE(select<std::int32_t>("1::int8").ok());
  EXPECT_FALSE(select<std::int16_t>("1::int4").ok());
  EXPECT_FALSE(select<bool>("1::int2").ok());
  EXPECT_FALSE(select<std::string>("1::int8").ok());
  EXPECT_FALSE(select<Bytes>("'x'::text").ok());
  EXPECT_FALSE(select<Hash>("'\\x00'::bytea").ok());
  EXPECT_FALSE(select<Time>("now()::timestamp").ok());
  EXPECT_FALSE(select<std::int64_t>("now()").ok());
  EXPECT_FALSE(select<double>("1::int8").ok());
  EXPECT_FALSE(select<std::uint64_t>("1::int8").ok());
}

TEST_F(ValueTest, null_is_an_error_where_the_reader_does_not_expect_it) {
  EXPECT_FALSE(select<std::int64_t>("NULL::int8").ok());
  EXPECT_FALSE(select<std::string>("NULL::text").ok());
  EXPECT_EQ(must(select<std::optional<std::int64_t>>("NULL::int8")), std::nullopt);
  EXPECT_EQ(must(select<std::optional<std::int64_t>>("7::int8")), 7);
  EXPECT_FALSE(select<std::optional<std::int64_t>>("7::int4").ok());
}

TEST_F(ValueTest, a_place_outside_the_result_is_an_error) {
  const Rows rows = must(connection.query("SELECT 1::int8 AS one"));
  EXPECT_FALSE(rows.get<std::int64_t>(1, 0).ok());
  EXPECT_FALSE(rows.get<std::int64_t>(0, 1).ok());
  EXPECT_FALSE(rows.get<std::optional<std::int64_t>>(0, 1).ok());
  EXPECT_FALSE(Rows().get<std::int64_t>(0, 0).ok());
  EXPECT_EQ(must(rows.column("one")), 0U);
  EXPECT_FALSE(rows.column("two").ok());
}

TEST_F(ValueTest, text_results_are_what_the_output_function_gives) {
  const Rows rows = must(connection.query_text(
      "SELECT true, '10.0.0.1'::inet, 'x'::char(3), 1.50::numeric, '\\x00ff'::bytea, NULL::int"));
  const char* expected[] = {"t", "10.0.0.1", "x  ", "1.50", "\\x00ff"};
  for (std::size_t c = 0; c < 5; ++c) EXPECT_EQ(must(rows.get<std::string>(0, c)), expected[c]);
  EXPECT_EQ(must(rows.get<std::optional<std::string>>(0, 5)), std::nullopt);
  EXPECT_FALSE(rows.get<bool>(0, 0).ok()) << "text format read as binary";
  EXPECT_FALSE(rows.get<Bytes>(0, 4).ok());
}

TEST_F(ValueTest, huge_values_come_back_whole) {
  Bytes huge(48U << 20U);
  for (std::size_t i = 0; i < huge.size(); ++i) huge[i] = static_cast<std::uint8_t>(i * 31 >> 7);
  EXPECT_EQ(echo<Bytes>(Params().bytea(huge), "bytea"), huge);
}

TEST_F(ValueTest, many_parameters_keep_their_places) {
  Params params;
  std::string sql = "SELECT 0";
  for (int i = 1; i <= 1000; ++i) {
    params.int4(i);
    sql += " + $" + std::to_string(i);
  }
  EXPECT_EQ(must(must(connection.query(sql, params)).get<std::int32_t>(0, 0)), 500500);
  for (int i = 0; i < 65535; ++i) params.int4(1);
  EXPECT_EQ(error_of(connection.query(sql, params)).code, ErrorCode::kReject);
}

TEST_F(ValueTest, text_that_is_not_utf8_or_holds_a_zero_byte_is_refused_by_the_server) {
  EXPECT_FALSE(connection.query("SELECT $1", Params().text("\xff")).ok());
  EXPECT_EQ(connection.last_sqlstate(), "22021");
  EXPECT_FALSE(connection.query("SELECT $1", Params().text("a\0b"s)).ok());
  EXPECT_EQ(connection.last_sqlstate(), "22021");
}

}  // namespace
}  // namespace pgtally::pg
