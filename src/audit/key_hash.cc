#include "audit/key_hash.h"

#include <algorithm>
#include <bit>

#include "crypto/ed25519.h"

namespace pgtally {
namespace {

std::uint64_t load_little_endian(const std::uint8_t* bytes, std::size_t count = 8) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value |= std::uint64_t{bytes[i]} << (8 * i);
  return value;
}

struct State {
  std::uint64_t v0, v1, v2, v3;

  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  }
  void take(std::uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  [[nodiscard]] std::uint64_t fold() const { return v0 ^ v1 ^ v2 ^ v3; }
};

}  // namespace

KeyHasher::KeyHasher(const Secret& secret)
    : k0_(load_little_endian(secret.data())), k1_(load_little_endian(secret.data() + 8)) {}

Result<KeyHasher> KeyHasher::random() {
  Secret secret{};
  TRY(const Bytes bytes, random_bytes(secret.size()));
  std::copy(bytes.begin(), bytes.end(), secret.begin());
  return KeyHasher(secret);
}

KeyHash KeyHasher::operator()(ByteView key) const {
  State state{k0_ ^ 0x736f6d6570736575, k1_ ^ 0x646f72616e646f6d ^ 0xee, k0_ ^ 0x6c7967656e657261,
              k1_ ^ 0x7465646279746573};
  const std::size_t whole = key.size() / 8 * 8;
  for (std::size_t i = 0; i < whole; i += 8) state.take(load_little_endian(key.data() + i));
  state.take(load_little_endian(key.data() + whole, key.size() - whole) |
             std::uint64_t{key.size() & 0xff} << 56);
  state.v2 ^= 0xee;
  state.rounds(4);
  KeyHash hash;
  hash.first = state.fold();
  state.v1 ^= 0xdd;
  state.rounds(4);
  hash.second = state.fold();
  return hash;
}

}  // namespace pgtally
