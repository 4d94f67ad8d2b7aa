#include "postgres/field.h"

#include <gtest/gtest.h>

#include <random>

namespace pgtally::pg {
namespace {

Field binary(const Bytes& bytes, Type type) {
  return Field{bytes.data(), static_cast<std::int32_t>(bytes.size()), type, Field::Format::kBinary};
}

// text[] of "ab" and NULL.
const Bytes kArray = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0,   0,   25,   0,    0,    0,
                      2, 0, 0, 0, 1, 0, 0, 0, 2, 'a', 'b', 0xff, 0xff, 0xff, 0xff};

using Texts = std::vector<std::optional<std::string>>;

TEST(Field, of_any_other_length_is_refused) {
  for (std::size_t length = 0; length < 12; ++length) {
    const Bytes bytes(length, 1);
    EXPECT_EQ(decode<bool>(binary(bytes, Type::kBool)).ok(), length == 1);
    EXPECT_EQ(decode<std::int16_t>(binary(bytes, Type::kInt2)).ok(), length == 2);
    EXPECT_EQ(decode<std::int32_t>(binary(bytes, Type::kInt4)).ok(), length == 4);
    EXPECT_EQ(decode<std::int64_t>(binary(bytes, Type::kInt8)).ok(), length == 8);
    EXPECT_EQ(decode<double>(binary(bytes, Type::kFloat8)).ok(), length == 8);
    EXPECT_EQ(decode<Time>(binary(bytes, Type::kTimestamptz)).ok(), length == 8);
  }
}

TEST(Field, that_is_missing_is_not_null) {
  EXPECT_FALSE(decode<std::optional<std::int64_t>>(Field{}).ok());
  EXPECT_FALSE(decode<std::optional<std::string>>(Field{}).ok());
  EXPECT_FALSE(decode<Time>(Field{}).ok());
}

TEST(Field, a_bool_is_one_or_zero) {
  EXPECT_FALSE(decode<bool>(binary({2}, Type::kBool)).ok());
}

TEST(FieldArray, is_read_element_by_element) {
  const auto decoded = decode<Texts>(binary(kArray, Type::kTextArray));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, (Texts{"ab", std::nullopt}));
}

TEST(FieldArray, cut_short_or_extended_is_refused) {
  for (std::size_t length = 0; length < kArray.size(); ++length) {
    const Bytes cut(kArray.begin(), kArray.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_FALSE(decode<Texts>(binary(cut, Type::kTextArray)).ok()) << length;
  }
  Bytes longer = kArray;
  longer.push_back(0);
  EXPECT_FALSE(decode<Texts>(binary(longer, Type::kTextArray)).ok());
}

TEST(FieldArray, of_random_bytes_never_reads_past_its_end) {
  std::mt19937 random(1);  // the sanitizers are the judge
  for (int round = 0; round < 20'000; ++round) {
    Bytes bytes = kArray;
    for (int i = 0; i < 3; ++i)
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    const auto decoded = decode<Texts>(binary(bytes, Type::kTextArray));
    EXPECT_TRUE(!decoded.ok() || decoded->size() <= 3);
  }
}

TEST(FieldArray, that_claims_a_huge_or_negative_count_is_refused_without_allocating_it) {
  for (const std::uint8_t first : Bytes{0x7f, 0x80, 0xff}) {
    Bytes bytes = kArray;
    bytes[12] = first;
    EXPECT_FALSE(decode<Texts>(binary(bytes, Type::kTextArray)).ok());
  }
}

}  // namespace
}  // namespace pgtally::pg
