#include "crypto/ed25519.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/encoding.h"

namespace pgtally {
namespace {

template <std::size_t N>
std::array<std::uint8_t, N> array_of(const std::string& hex) {
  const Bytes bytes = from_hex(hex).value();
  std::array<std::uint8_t, N> out{};
  EXPECT_EQ(bytes.size(), N);
  std::copy_n(bytes.begin(), std::min(N, bytes.size()), out.begin());
  return out;
}

struct Rfc8032Vector {
  const char* name;
  const char* secret;
  const char* public_key;
  const char* message;
  const char* signature;
};

// Spec: RFC 8032 section 7.1.
const std::vector<Rfc8032Vector> kVectors = {
    {"TEST 1", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"},
    {"TEST 2", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"TEST 3", "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a"},
    {"TEST SHA(abc)", "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fe"
     "ebbd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431"
     "e0303dca179c138ac17ad9bef1177331a704"},
};

TEST(Ed25519, keys_and_signatures_are_those_of_rfc_8032) {
  for (const Rfc8032Vector& v : kVectors) {
    SCOPED_TRACE(v.name);
    const auto seed = array_of<32>(v.secret);
    const Bytes message = from_hex(v.message).value();
    EXPECT_EQ(ed25519_public_key(seed).value(), array_of<32>(v.public_key));
    EXPECT_EQ(ed25519_sign(seed, message).value(), array_of<64>(v.signature));
    EXPECT_TRUE(ed25519_verify(array_of<32>(v.public_key), message, array_of<64>(v.signature)));
  }
}

TEST(Ed25519, a_signature_fails_when_any_bit_of_it_or_of_its_message_is_flipped) {
  const auto key = array_of<32>(kVectors[2].public_key);
  const Bytes message = from_hex(kVectors[2].message).value();
  const auto signature = array_of<64>(kVectors[2].signature);
  for (std::size_t bit = 0; bit < signature.size() * 8; ++bit) {
    auto changed = signature;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(ed25519_verify(key, message, changed)) << bit;
  }
  for (std::size_t bit = 0; bit < message.size() * 8; ++bit) {
    Bytes changed = message;
    changed[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    EXPECT_FALSE(ed25519_verify(key, changed, signature)) << bit;
  }
}

TEST(Ed25519, a_signature_fails_with_another_key_or_length) {
  const Bytes message = from_hex(kVectors[2].message).value();
  const auto signature = array_of<64>(kVectors[2].signature);
  EXPECT_FALSE(ed25519_verify(array_of<32>(kVectors[1].public_key), message, signature));

  const auto key = array_of<32>(kVectors[2].public_key);
  Bytes longer(signature.begin(), signature.end());
  longer.push_back(0);
  EXPECT_FALSE(ed25519_verify(key, message, longer));
  EXPECT_FALSE(ed25519_verify(key, message, ByteView(signature).first(63)));
  EXPECT_FALSE(ed25519_verify(key, message, {}));
}

TEST(Ed25519, bytes_that_are_no_key_verify_nothing) {
  const Bytes message = from_hex(kVectors[0].message).value();
  Ed25519PublicKey no_point;
  no_point.fill(0xff);
  EXPECT_FALSE(ed25519_verify(no_point, message, array_of<64>(kVectors[0].signature)));
}

TEST(RandomBytes, are_as_many_as_were_asked_for_and_never_the_same) {
  EXPECT_TRUE(random_bytes(0).value().empty());
  const Bytes one = random_bytes(32).value();
  EXPECT_EQ(one.size(), 32U);
  EXPECT_NE(one, random_bytes(32).value());
}

}  // namespace
}  // namespace pgtally
