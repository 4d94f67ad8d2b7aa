// Golden values: what the SQL expressions of src/ledger/source_text.cc and sql/functions/keys.sql give
// for the same values on PostgreSQL 15.
#include "format/row_encoder.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "pgtally/key.h"

namespace pgtally {
namespace {

SourceDefinition over(const std::vector<std::string>& columns) {
  SourceDefinition definition;
  definition.source = "s";
  definition.key = {"id"};
  for (const std::string& name : columns) definition.columns.push_back({name, "text", -1});
  return definition;
}

using Texts = std::vector<std::optional<std::string_view>>;

Result<EncodedRow> encode(const SourceDefinition& definition,
                          const std::vector<std::string>& columns, const Texts& values) {
  TRY(const RowEncoder encoder, RowEncoder::make(definition, columns));
  return encoder.encode(values);
}

std::string content(const SourceDefinition& definition, const std::vector<std::string>& columns,
                    const Texts& values) {
  auto row = encode(definition, columns, values);
  return row.ok() ? to_hex(row->content.view()) : row.error().message;
}

constexpr const char* kBoth = "5b12d4f30a81a9de8b301b5f7fd4b50558620e0e022ad8a25724cab37a51ba95";
constexpr const char* kIdAlone = "4705120856aba275e8861dcddf4358ea9f22d5ada47eb65bea49dde1d725256a";

TEST(RowEncoder, hashes_the_covered_columns_as_the_sql_does) {
  const auto definition = over({"id", "a"});
  EXPECT_EQ(content(definition, {"id", "a"}, {"7", "xx"}), kBoth);
  EXPECT_EQ(content(definition, {"id", "a"}, {"7", std::nullopt}), kIdAlone);
}

TEST(RowEncoder, takes_values_in_any_order_and_leaves_out_what_is_not_covered) {
  const auto definition = over({"id", "a"});
  EXPECT_EQ(content(definition, {"note", "a", "id"}, {"private", "xx", "7"}), kBoth);
}

TEST(RowEncoder, keeps_nothing_of_the_row_before) {
  const auto definition = over({"id", "a"});
  auto encoder = RowEncoder::make(definition, {"id", "a"});
  ASSERT_TRUE(encoder.ok());
  ASSERT_TRUE(encoder->encode(Texts{"8", "something else"}).ok());
  auto row = encoder->encode(Texts{"7", std::nullopt});
  ASSERT_TRUE(row.ok());
  EXPECT_EQ(to_hex(row->content.view()), kIdAlone);
}

TEST(RowEncoder, makes_the_key_of_the_key_columns_in_the_order_of_the_definition) {
  auto definition = over({"id"});
  definition.key = {"b", "a"};
  auto encoder = RowEncoder::make(definition, {"a", "b", "id"});
  ASSERT_TRUE(encoder.ok());
  auto key = encoder->encode_key(Texts{"1", "zwei", std::nullopt});
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(to_hex(*key), "0004" + to_hex(as_bytes("zwei")) + "0001" + to_hex(as_bytes("1")));
}

TEST(RowEncoder, hashes_a_key_that_is_too_long_as_the_sql_does) {
  const std::string longest(1023, 'k');
  auto row = encode(over({"id"}), {"id"}, {longest});
  ASSERT_TRUE(row.ok());
  EXPECT_EQ(to_hex(row->key),
            "ffff6b8376c7f4f58f6d00b1fa8573eac54f137b8192701044824cdef566420514ca");
}

TEST(RowEncoder, gives_no_key_where_the_definition_has_none) {
  auto definition = over({"id"});
  definition.key.clear();
  auto row = encode(definition, {"id"}, {"7"});
  ASSERT_TRUE(row.ok());
  EXPECT_TRUE(row->key.empty());
}

TEST(RowEncoder, refuses_a_null_in_the_key) {
  auto row = encode(over({"id"}), {"id"}, {std::nullopt});
  ASSERT_FALSE(row.ok());
  EXPECT_EQ(row.error().code, ErrorCode::kReject);
  EXPECT_NE(row.error().message.find("\"id\""), std::string::npos) << row.error().message;
}

TEST(RowEncoder, names_the_first_column_that_is_missing) {
  const auto encoder = RowEncoder::make(over({"id", "gone"}), {"id"});
  ASSERT_FALSE(encoder.ok());
  EXPECT_NE(encoder.error().message.find("\"gone\""), std::string::npos);
}

TEST(RowEncoder, refuses_a_row_of_another_width) {
  EXPECT_FALSE(encode(over({"id"}), {"id", "a"}, {"7"}).ok());
}

TEST(RowEncoder, takes_a_hash_column_as_it_is_and_refuses_what_is_no_hash) {
  auto definition = over({});
  definition.content = ContentKind::kColumn;
  definition.hash_column = "h";
  const std::string hash = "\\x" + std::string(kBoth);
  EXPECT_EQ(content(definition, {"id", "h"}, {"7", hash}), kBoth);
  for (const std::string& bad :
       {std::string("\\x"), hash.substr(0, 64), hash + "00", "\\x" + std::string(64, '0'),
        "\\x" + std::string(64, 'g'), std::string(kBoth)}) {
    EXPECT_FALSE(encode(definition, {"id", "h"}, {"7", bad}).ok()) << bad;
  }
  EXPECT_FALSE(encode(definition, {"id", "h"}, {"7", std::nullopt}).ok());
}

TEST(RowEncoder, has_no_time_where_the_column_is_null_or_none_is_named) {
  auto definition = over({"id"});
  EXPECT_EQ(encode(definition, {"id"}, {"7"})->time, Time{});
  definition.time = "at";
  EXPECT_EQ(encode(definition, {"id", "at"}, {"7", std::nullopt})->time, Time{});
  EXPECT_EQ(encode(definition, {"id", "at"}, {"7", "1970-01-01"})->time, Time{0});
  EXPECT_FALSE(encode(definition, {"id", "at"}, {"7", "yesterday"}).ok());
}

struct TimeCase {
  const char* text;
  std::int64_t microseconds;
};
class TimeText : public testing::TestWithParam<TimeCase> {};
TEST_P(TimeText, is_read_as_the_server_reads_it) {
  const auto time = parse_time_text(GetParam().text);
  ASSERT_TRUE(time.ok()) << time.error().message;
  EXPECT_EQ(time->microseconds, GetParam().microseconds) << GetParam().text;
}
INSTANTIATE_TEST_SUITE_P(
    of, TimeText,
    testing::Values(TimeCase{"2026-11-22 14:03:27.118204+00", 1795356207118204},
                    TimeCase{"1969-12-31 23:59:59.999999+00", -1},
                    TimeCase{"2024-02-29 12:00:00.5+00", 1709208000500000},
                    TimeCase{"0001-12-31 00:00:00+00 BC", -62135683200000000},
                    TimeCase{"4714-11-24 00:00:00+00 BC", -210866803200000000},
                    TimeCase{"294246-12-31 23:59:59.999999+00", 9223371244799999999},
                    TimeCase{"294247-01-01 00:00:00+00", Time::kInfinity},
                    TimeCase{"5874897-12-31", Time::kInfinity},
                    TimeCase{"1900-03-01 00:00:00+00", -2203891200000000},
                    TimeCase{"2000-02-29", 951782400000000},
                    TimeCase{"12345-06-07 08:09:10.01", 327416976550010000},
                    TimeCase{"0004-02-29", -62035891200000000},
                    TimeCase{"0005-02-28 BC", -62288438400000000},
                    TimeCase{"infinity", Time::kInfinity},
                    TimeCase{"-infinity", Time::kMinusInfinity}));

TEST(TimeText, that_the_server_does_not_write_is_refused) {
  for (const char* text : {"",
                           " ",
                           "2026",
                           "2026-11-22 ",
                           "2026-13-01",
                           "2026-00-01",
                           "2026-02-29",
                           "2026-11-22T14:03:27",
                           "2026-11-22 14:03",
                           "2026-11-22 24:00:00+00",
                           "2026-11-22 14:03:27+01",
                           "2026-11-22 14:03:27.+00",
                           "2026-11-22 14:03:27.1234567+00",
                           "2026-11-22 14:03:27+00 AD",
                           "0000-01-01",
                           "26-11-22",
                           "99999999-01-01",
                           "9999-01-01 BC",
                           "2026-11-22 BC ",
                           "Infinity",
                           "now",
                           "-2026-11-22"}) {
    EXPECT_FALSE(parse_time_text(text).ok()) << text;
  }
}

}  // namespace
}  // namespace pgtally
