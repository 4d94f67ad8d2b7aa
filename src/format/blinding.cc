#include "format/blinding.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "crypto/sha256.h"
#include "format/row_format.h"

namespace pgtally {
namespace {

constexpr std::size_t kAtOnce = 256;

// Hashes messages of one size, which `put` writes, some at a time.
template <std::size_t kSize, typename Put>
void hash_each(std::span<Hash> hashes, Put put) {
  std::array<std::uint8_t, kAtOnce * kSize> messages;
  std::array<ByteView, kAtOnce> views;
  for (std::size_t done = 0; done < hashes.size(); done += kAtOnce) {
    const auto some = hashes.subspan(done, std::min(kAtOnce, hashes.size() - done));
    for (std::size_t i = 0; i < some.size(); ++i) {
      std::uint8_t* message = &messages[i * kSize];
      put(message, done + i);
      views[i] = {message, kSize};
    }
    sha256_many(std::span(views).first(some.size()), some);
  }
}

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
  hash_each<sizeof(BlindingSecret) + sizeof(LeafIndex)>(
      salts, [&](std::uint8_t* message, std::size_t i) { put_salted(secret, ids[i], message); });
}

void blind(std::span<const Hash> salts, std::span<Hash> contents) {
  hash_each<kBlindPrefix.size() + 2 * Hash::kSize>(
      contents, [&](std::uint8_t* message, std::size_t i) {
        std::memcpy(message, kBlindPrefix.data(), kBlindPrefix.size());
        message += kBlindPrefix.size();
        std::memcpy(message, salts[i].bytes.data(), Hash::kSize);
        std::memcpy(message + Hash::kSize, contents[i].bytes.data(), Hash::kSize);
      });
}

}  // namespace pgtally
