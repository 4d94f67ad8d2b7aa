#include "pgtally/key.h"

#include <gtest/gtest.h>

#include "support/format_vectors.h"

namespace pgtally {
namespace {

using Columns = std::vector<std::string>;

Bytes encoded(const Columns& columns) {
  const auto key = encode_key(columns);
  EXPECT_TRUE(key.ok());
  return key.ok() ? *key : Bytes{};
}

TEST(Key, is_encoded_as_the_independent_vectors_say) {
  const auto vectors = test::format_vectors("keys.txt");
  ASSERT_GT(vectors.size(), 10U);
  for (const auto& vector : vectors)
    EXPECT_EQ(encoded(vector.texts("column")), vector.bytes("key"));
}

TEST(Key, gives_its_columns_back) {
  const Columns columns{"bash", "", "5.2", "größe"};
  const auto decoded = decode_key(encoded(columns));
  ASSERT_TRUE(decoded.ok());
  EXPECT_FALSE(decoded->hashed);
  EXPECT_EQ(decoded->columns, columns);
}

TEST(Key, of_two_columns_differs_from_the_key_of_both_as_one) {
  EXPECT_NE(encoded({"a", "b"}), encoded({"ab"}));
  EXPECT_NE(encoded({"a", ""}), encoded({"a"}));
}

TEST(Key, is_hashed_from_the_first_byte_beyond_each_limit) {
  EXPECT_EQ(encoded({std::string(1022, 'a')}).size(), 1024U);
  EXPECT_EQ(encoded({std::string(1023, 'a')}).size(), 34U);
  EXPECT_EQ(encoded({std::string(1000, 'a'), std::string(20, 'b')}).size(), 1024U);
  const Bytes hashed = encoded({std::string(1000, 'a'), std::string(21, 'b')});
  const auto decoded = decode_key(hashed);
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded->hashed);
  EXPECT_TRUE(decoded->columns.empty());
}

TEST(Key, without_a_column_or_not_utf8_is_refused) {
  EXPECT_FALSE(encode_key(Columns{}).ok());
  EXPECT_FALSE(encode_key(Columns{"\xff"}).ok());
  EXPECT_FALSE(decode_key({}).ok());
}

TEST(Key, with_malformed_bytes_is_refused) {
  const Bytes cut_length{0};
  const Bytes cut_column{0, 2, 'a'};
  const Bytes not_utf8{0, 1, 0xff};
  const Bytes column_too_long{0x03, 0xff};
  Bytes hash_cut(33, 0xff);
  Bytes hash_longer(35, 0xff);
  for (const Bytes& bytes :
       {cut_length, cut_column, not_utf8, column_too_long, hash_cut, hash_longer}) {
    EXPECT_FALSE(decode_key(bytes).ok());
    EXPECT_FALSE(check_key(bytes).ok());
  }
  Bytes too_long;
  while (too_long.size() <= kMaxKeySize) too_long.insert(too_long.end(), {0, 1, 'a'});
  EXPECT_FALSE(decode_key(too_long).ok());
}

}  // namespace
}  // namespace pgtally
