// A log in memory that signs: what witnesses and those who ask them are tested with.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "format/add_checkpoint.h"
#include "format/sign_checkpoint.h"
#include "merkle/proof.h"
#include "support/leaves.h"
#include "support/memory_tiles.h"

namespace pgtally::test {

inline SigningKey test_key(const std::string& name, std::uint8_t seed) {
  Ed25519Seed bytes{};
  bytes.fill(seed);
  return *SigningKey::from_seed(name, bytes);
}

// Entry i is the leaf of i, but from `differs_from` on it is another one: two logs with the same key
// and different values of it are a fork.
class SignedLog {
 public:
  explicit SignedLog(SigningKey key, std::uint64_t size, std::uint64_t differs_from = UINT64_MAX)
      : key_(std::move(key)) {
    for (std::uint64_t i = 0; i < size; ++i) {
      tiles_.append(numbered_leaf(i < differs_from ? i : i + 1'000'000));
    }
  }

  [[nodiscard]] const SigningKey& key() const { return key_; }
  [[nodiscard]] const VerifierKey& vkey() const { return key_.verifier(); }

  [[nodiscard]] std::string checkpoint(std::uint64_t size) {
    return *sign_checkpoint(key_, TreeSize{size}, *root_at(tiles_, TreeSize{size}));
  }
  [[nodiscard]] std::vector<Hash> proof(std::uint64_t from, std::uint64_t to) {
    return *prove_consistency(tiles_, TreeSize{from}, TreeSize{to});
  }
  [[nodiscard]] AddCheckpoint request(std::uint64_t from, std::uint64_t to) {
    return {TreeSize{from}, proof(from, to), checkpoint(to)};
  }

 private:
  SigningKey key_;
  MemoryTiles tiles_;
};

}  // namespace pgtally::test
