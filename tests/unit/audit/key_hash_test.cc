#include "audit/key_hash.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace pgtally {
namespace {

std::string bytes_of(const KeyHash& hash) {
  Bytes out;
  for (const std::uint64_t word : {hash.first, hash.second}) {
    for (int i = 0; i < 8; ++i) out.push_back(static_cast<std::uint8_t>(word >> (8 * i)));
  }
  return to_hex(out);
}

// From `openssl mac -macopt hexkey:0001…0f -macopt size:16 SIPHASH`, of the bytes 0, 1, 2, ….
TEST(KeyHash, is_siphash_2_4_of_128_bits) {
  KeyHasher::Secret secret{};
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(i);
  const KeyHasher hasher(secret);
  const auto hash_of = [&](std::size_t count) {
    Bytes message;
    for (std::size_t i = 0; i < count; ++i) message.push_back(static_cast<std::uint8_t>(i));
    return bytes_of(hasher(message));
  };
  EXPECT_EQ(hash_of(0), "a3817f04ba25a8e66df67214c7550293");
  EXPECT_EQ(hash_of(1), "da87c1d86b99af44347659119b22fc45");
  EXPECT_EQ(hash_of(8), "3b62a9ba6258f5610f83e264f31497b4");
  EXPECT_EQ(hash_of(15), "5493e99933b0a8117e08ec0f97cfc3d9");
}

TEST(KeyHash, is_another_under_another_secret) {
  const auto one = KeyHasher::random();
  const auto other = KeyHasher::random();
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_NE((*one)(as_bytes("key")), (*other)(as_bytes("key")));
  EXPECT_EQ((*one)(as_bytes("key")), (*one)(as_bytes("key")));
}

}  // namespace
}  // namespace pgtally
