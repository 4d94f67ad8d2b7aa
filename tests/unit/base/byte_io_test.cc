#include "base/byte_io.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace pgtally {
namespace {

TEST(ByteWriter, writes_big_endian_numbers_and_their_lengths_before_strings) {
  ByteWriter writer;
  writer.u8(0x01);
  writer.u16(0x0203);
  writer.u24(0x040506);
  writer.u32(0x0708090a);
  writer.u64(0x0b0c0d0e0f101112);
  writer.opaque(as_bytes("abc"), 2);
  writer.raw("z");
  EXPECT_EQ(to_hex(writer.bytes()),
            "0102030405060708090a0b0c0d0e0f1011120003616263"
            "7a");
}

TEST(ByteReader, reads_back_what_was_written) {
  ByteWriter writer;
  writer.u8(UINT8_MAX);
  writer.u16(UINT16_MAX);
  writer.u24(0xffffff);
  writer.u32(UINT32_MAX);
  writer.u64(UINT64_MAX);
  writer.opaque(as_bytes("abc"), 1);
  ByteReader reader(writer.bytes());
  EXPECT_EQ(reader.u8("a").value(), UINT8_MAX);
  EXPECT_EQ(reader.u16("b").value(), UINT16_MAX);
  EXPECT_EQ(reader.u24("c").value(), 0xffffffU);
  EXPECT_EQ(reader.u32("d").value(), UINT32_MAX);
  EXPECT_EQ(reader.u64("e").value(), UINT64_MAX);
  EXPECT_EQ(as_text(reader.opaque(1, 0, 3, "f").value()), "abc");
  EXPECT_TRUE(reader.finish("the record").ok());
}

TEST(ByteReader, says_which_field_ended_too_early_and_where) {
  const Bytes bytes{1, 2, 3};
  ByteReader reader(bytes);
  ASSERT_TRUE(reader.u8("version").ok());
  const auto value = reader.u32("length of the key");
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.error().code, ErrorCode::kReject);
  EXPECT_EQ(value.error().message, "length of the key at byte 1: 4 bytes expected, 2 left");
  // A failed read takes nothing.
  EXPECT_EQ(reader.offset(), 1U);
}

TEST(ByteReader, refuses_a_length_that_is_out_of_bounds_before_it_looks_for_the_bytes) {
  const Bytes huge{0xff, 0xff, 0xff, 0xff, 'a'};
  EXPECT_FALSE(ByteReader(huge).opaque(4, 0, UINT32_MAX, "data").ok());
  EXPECT_FALSE(ByteReader(huge).opaque(4, 0, 100, "data").ok());
  const Bytes small{1, 'a'};
  EXPECT_FALSE(ByteReader(small).opaque(1, 2, 5, "data").ok());
  EXPECT_TRUE(ByteReader(small).opaque(1, 1, 1, "data").ok());
  EXPECT_FALSE(ByteReader(small).raw(SIZE_MAX, "data").ok());
}

TEST(ByteReader, refuses_bytes_that_are_left_over) {
  const Bytes bytes{1, 2};
  ByteReader reader(bytes);
  ASSERT_TRUE(reader.u8("version").ok());
  EXPECT_FALSE(reader.at_end());
  const auto finished = reader.finish("the entry");
  ASSERT_FALSE(finished.ok());
  EXPECT_NE(finished.error().message.find("the entry"), std::string::npos);
}

}  // namespace
}  // namespace pgtally
