#include "base/encoding.h"

#include <gtest/gtest.h>

#include <utility>

namespace pgtally {
namespace {

// Spec: RFC 4648 section 10.
TEST(Base64, is_that_of_the_examples_in_rfc_4648) {
  for (const auto& [plain, text] :
       std::vector<std::pair<const char*, const char*>>{{"", ""},
                                                        {"f", "Zg=="},
                                                        {"fo", "Zm8="},
                                                        {"foo", "Zm9v"},
                                                        {"foob", "Zm9vYg=="},
                                                        {"fooba", "Zm9vYmE="},
                                                        {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(to_base64(as_bytes(plain)), text);
    const auto bytes = from_base64(text);
    ASSERT_TRUE(bytes.ok()) << text;
    EXPECT_EQ(as_text(*bytes), plain);
  }
}

TEST(Base64, uses_the_standard_alphabet_and_not_the_one_for_urls) {
  EXPECT_EQ(to_base64(Bytes{0xfb, 0xff, 0xbf}), "+/+/");
  EXPECT_TRUE(from_base64("+/+/").ok());
  EXPECT_FALSE(from_base64("-_-_").ok());
}

TEST(Base64, has_one_text_for_each_value) {
  for (const char* text : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "=", "==", "====", "Z===",
                           "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm9v====", "Z=9v", "Zm9\xff"}) {
    EXPECT_FALSE(from_base64(text).ok()) << text;
  }
}

TEST(Base64, of_every_byte_value_and_length_is_read_back) {
  Bytes bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(from_base64(to_base64(bytes)).value(), bytes);
    bytes.push_back(static_cast<std::uint8_t>(i * 7));
  }
}

TEST(Hex, is_that_of_the_examples_in_rfc_4648_in_lower_case) {
  EXPECT_EQ(to_hex(as_bytes("foobar")), "666f6f626172");
  EXPECT_EQ(as_text(from_hex("666F6f626172").value()), "foobar");
  EXPECT_TRUE(from_hex("").value().empty());
}

TEST(Hex, refuses_what_is_no_pair_of_digits) {
  for (const char* text : {"0", "0g", "g0", "00 ", " 00", "0x00", "00\n"}) {
    EXPECT_FALSE(from_hex(text).ok()) << text;
  }
}

TEST(HashText, is_refused_at_any_length_but_32_bytes) {
  EXPECT_TRUE(hash_from_hex(std::string(64, 'a')).ok());
  EXPECT_FALSE(hash_from_hex(std::string(62, 'a')).ok());
  EXPECT_FALSE(hash_from_hex(std::string(66, 'a')).ok());
  EXPECT_FALSE(hash_from_hex("").ok());
  Hash hash;
  hash.bytes[0] = 1;
  hash.bytes[31] = 2;
  EXPECT_EQ(hash_from_base64(to_base64(hash.view())).value(), hash);
  EXPECT_FALSE(hash_from_base64("Zm9v").ok());
}

TEST(Utf8, is_accepted_at_the_edges_of_each_length) {
  for (const char* text :
       {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "Zählung ∑ 𝄞"}) {
    EXPECT_TRUE(is_utf8(as_bytes(text))) << text;
  }
}

// Spec: RFC 3629 section 3 and 10.
TEST(Utf8, is_refused_where_it_is_overlong_cut_or_no_character) {
  for (const char* text :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf",
        "\xe2\x82", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
        "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xfe", "\xff", "a\xc2"}) {
    EXPECT_FALSE(is_utf8(as_bytes(text))) << to_hex(as_bytes(text));
  }
}

TEST(Decimal, is_read_up_to_the_last_64_bit_number) {
  EXPECT_EQ(parse_decimal("0").value(), 0U);
  EXPECT_EQ(parse_decimal("10").value(), 10U);
  EXPECT_EQ(parse_decimal("18446744073709551615").value(), UINT64_MAX);
}

TEST(Decimal, that_could_be_written_otherwise_or_is_too_large_is_refused) {
  for (const char* text : {"", "00", "01", "+1", "-1", "-0", " 1", "1 ", "1.0", "1e3", "0x1", "1\n",
                           "18446744073709551616", "18446744073709551620", "99999999999999999999",
                           "184467440737095516150"}) {
    EXPECT_FALSE(parse_decimal(text).ok()) << text;
  }
}

TEST(Quoted, shows_no_control_characters_and_not_too_much) {
  EXPECT_EQ(quoted("plain"), "\"plain\"");
  EXPECT_EQ(quoted("a\nb\x1b[31m\""), "\"a\\x0ab\\x1b[31m\\x22\"");
  EXPECT_EQ(quoted("abcdef", 3), "\"abc…\"");
}

}  // namespace
}  // namespace pgtally
