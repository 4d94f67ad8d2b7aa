#include <array>
#include <cstring>

#include "crypto/sha256.h"
#include "pgtally/merkle.h"

namespace pgtally {
namespace {

constexpr std::array<std::uint8_t, 1> kLeafPrefix{0x00};
constexpr std::uint8_t kNodePrefix = 0x01;

}  // namespace

Hash leaf_hash(ByteView entry) {
  return sha256({kLeafPrefix, entry});
}

Hash node_hash(const Hash& left, const Hash& right) {
  // One update of 65 bytes is cheaper than three of 1, 32 and 32, and this is the hot path.
  std::array<std::uint8_t, 1 + 2 * Hash::kSize> input;
  input[0] = kNodePrefix;
  std::memcpy(&input[1], left.bytes.data(), Hash::kSize);
  std::memcpy(&input[1 + Hash::kSize], right.bytes.data(), Hash::kSize);
  return sha256(ByteView(input));
}

Hash empty_root() {
  return sha256(ByteView());
}

}  // namespace pgtally
