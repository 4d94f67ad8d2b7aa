#include "pgtally/content.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/sha256.h"
#include "format/blinding.h"
#include "format/row_hasher.h"
#include "support/format_vectors.h"

namespace pgtally {
namespace {

struct RowVector {
  std::vector<RowColumn> columns;
  std::vector<bool> null;
  Bytes preimage;
  Hash hash;
};

RowVector row_vector(const test::VectorRecord& record) {
  RowVector row;
  for (const auto& [field, value] : record.fields) {
    if (field != "column" && field != "null") continue;
    const std::size_t space = value.find(' ');
    row.columns.push_back(
        {test::text_of_hex(value.substr(0, space)),
         space == std::string::npos ? "" : test::text_of_hex(value.substr(space + 1))});
    row.null.push_back(field == "null");
  }
  row.preimage = record.bytes("preimage");
  row.hash = record.hash("hash");
  return row;
}

std::vector<std::optional<std::string_view>> values_of(const RowVector& row) {
  std::vector<std::optional<std::string_view>> values;
  for (std::size_t i = 0; i < row.columns.size(); ++i) {
    values.push_back(row.null[i] ? std::nullopt
                                 : std::optional<std::string_view>(row.columns[i].value));
  }
  return values;
}

TEST(Row, is_encoded_and_hashed_as_the_independent_vectors_say) {
  const auto vectors = test::format_vectors("rows.txt");
  ASSERT_GT(vectors.size(), 5U);
  for (const auto& record : vectors) {
    const RowVector row = row_vector(record);
    const auto values = values_of(row);
    std::vector<RowColumnView> views;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < values.size(); ++i) {
      views.push_back({row.columns[i].name, values[i]});
      names.push_back(row.columns[i].name);
    }
    EXPECT_EQ(*encode_row(views), row.preimage);
    auto hasher = RowHasher::create(names);
    ASSERT_TRUE(hasher.ok());
    EXPECT_EQ(*hasher->hash(values), row.hash);
    EXPECT_EQ(*hasher->hash(values), row.hash) << "the second row of one hasher";
    const auto decoded = decode_row(row.preimage);
    ASSERT_TRUE(decoded.ok());
    for (const RowColumn& column : *decoded) {
      EXPECT_NE(std::find(row.columns.begin(), row.columns.end(), column), row.columns.end());
    }
  }
}

TEST(Row, does_not_depend_on_the_order_of_its_columns_nor_on_nulls) {
  const RowColumnView one[] = {{"a", "1"}, {"b", "2"}};
  const RowColumnView other[] = {{"b", "2"}, {"c", std::nullopt}, {"a", "1"}};
  EXPECT_EQ(*encode_row(one), *encode_row(other));
}

TEST(Row, tells_null_from_the_empty_text) {
  const RowColumnView null[] = {{"a", std::nullopt}};
  const RowColumnView empty[] = {{"a", ""}};
  EXPECT_NE(*encode_row(null), *encode_row(empty));
}

TEST(Row, with_doubled_empty_overlong_or_broken_names_is_refused) {
  const RowColumnView doubled[] = {{"a", "1"}, {"b", "1"}, {"a", std::nullopt}};
  const RowColumnView empty[] = {{"", "1"}};
  const std::string long_name(256, 'a');
  const RowColumnView overlong[] = {{long_name, std::nullopt}};
  const RowColumnView broken_name[] = {{"\xff", "1"}};
  const RowColumnView broken_value[] = {{"a", "\xff"}};
  EXPECT_FALSE(encode_row(doubled).ok());
  EXPECT_FALSE(encode_row(empty).ok());
  EXPECT_FALSE(encode_row(overlong).ok());
  EXPECT_FALSE(encode_row(broken_name).ok());
  EXPECT_FALSE(encode_row(broken_value).ok());
  EXPECT_FALSE(RowHasher::create({"a", "b", "a"}).ok());
  EXPECT_FALSE(RowHasher::create({""}).ok());
  EXPECT_FALSE(RowHasher::create({long_name}).ok());
}

TEST(RowHasher, refuses_another_number_of_values) {
  auto hasher = RowHasher::create({"a", "b"});
  ASSERT_TRUE(hasher.ok());
  const std::optional<std::string_view> one[] = {"1"};
  EXPECT_FALSE(hasher->hash(one).ok());
}

TEST(Row, that_is_cut_within_a_column_is_refused) {
  const RowColumnView columns[] = {{"id", "42"}, {"payer", "ACME"}};
  const Bytes bytes = *encode_row(columns);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto decoded = decode_row(ByteView(bytes).first(length));
    // Cutting between columns gives a row of fewer columns; its hash is another.
    if (decoded.ok()) {
      EXPECT_LT(decoded->size(), 2U);
      EXPECT_NE(sha256(ByteView(bytes).first(length)), sha256(bytes));
    }
  }
}

TEST(Row, whose_columns_do_not_ascend_is_refused) {
  const std::string prefix("pgtally/row/v1\0", 15);
  const std::string a("\1a\0\0\0\0", 6);
  const std::string b("\1b\0\0\0\0", 6);
  EXPECT_TRUE(decode_row(as_bytes(prefix + a + b)).ok());
  EXPECT_FALSE(decode_row(as_bytes(prefix + b + a)).ok());
  EXPECT_FALSE(decode_row(as_bytes(prefix + a + a)).ok());
  EXPECT_FALSE(decode_row(as_bytes(a)).ok());
}

TEST(Blinding, gives_what_the_independent_vectors_say) {
  const auto vectors = test::format_vectors("blinding.txt");
  ASSERT_EQ(vectors.size(), 5U);
  for (const auto& vector : vectors) {
    const BlindingSecret secret = vector.hash("secret").bytes;
    EXPECT_EQ(salt_of(secret, LeafIndex{vector.number("id")}), vector.hash("salt"));
    EXPECT_EQ(blinded(vector.hash("salt"), vector.hash("h")), vector.hash("blinded"));
  }
}

}  // namespace
}  // namespace pgtally
