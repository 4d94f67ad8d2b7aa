#include "format/blinding.h"

#include <cstring>

#include "crypto/sha256.h"
#include "format/row_format.h"

namespace pgtally {
namespace {

void put_salted(const BlindingSecret& secret, LeafIndex id, std::uint8_t* message) {
  std::memcpy(message, secret.data(), secret.size());
  for (std::size_t i = 0; i < sizeof id.value; ++i) {
    message[secret.size() + i] = static_cast<std::uint8_t>(id.value >> (8 * (7 - i)));
  }
}

}  // namespace

Hash salt_of(const BlindingSecret& secret, LeafIndex id) {
  Hash salt;
  salts_of(secret, std::span(&id, 1), std::span(&salt, 1));
  return salt;
}

void salts_of(const BlindingSecret& secret, std::span<const LeafIndex> ids, std::span<Hash> salts) {
  sha256_each<sizeof(BlindingSecret) + sizeof(LeafIndex)>(
      salts, [&](std::uint8_t* message, std::size_t i) { put_salted(secret, ids[i], message); });
}

void blind(std::span<const Hash> salts, std::span<Hash> contents) {
  sha256_each<kBlindPrefix.size() + 2 * Hash::kSize>(
      contents, [&](std::uint8_t* message, std::size_t i) {
        std::memcpy(message, kBlindPrefix.data(), kBlindPrefix.size());
        message += kBlindPrefix.size();
        std::memcpy(message, salts[i].bytes.data(), Hash::kSize);
        std::memcpy(message + Hash::kSize, contents[i].bytes.data(), Hash::kSize);
      });
}

}  // namespace pgtally
