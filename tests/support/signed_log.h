// A log in memory that signs: what witnesses and those who ask them are tested with.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "format/add_checkpoint.h"
#include "format/sign_checkpoint.h"
#include "merkle/proof.h"
#include "pgtally/merkle.h"
#include "support/memory_tiles.h"

namespace pgtally::test {

inline SigningKey test_key(const std::string& name, std::uint8_t seed) {
  Ed25519Seed bytes{};
  bytes.fill(seed);
  return *SigningKey::from_seed(name, bytes);
}

// Entry i is the decimal text of i, but from `differs_from` on it is another one: two logs with the
// same key and different values of it are a fork.
class SignedLog {
 public:
  explicit SignedLog(SigningKey key, std::uint64_t size = 0,
                     std::uint64_t differs_from = UINT64_MAX)
      : key_(std::move(key)) {
    grow_to(std::min(size, differs_from));
    grow_to(size, "!");
  }

  void append(std::string entry) {
    entries_.push_back(std::move(entry));
    tiles_.append(leaf_hash(as_bytes(entries_.back())));
  }
  // `text` stands behind the number of each new entry.
  void grow_to(std::uint64_t size, const std::string& text = "") {
    while (entries_.size() < size) append(std::to_string(entries_.size()) + text);
  }

  [[nodiscard]] const SigningKey& key() const { return key_; }
  [[nodiscard]] const VerifierKey& vkey() const { return key_.verifier(); }

  [[nodiscard]] std::string note_at(std::uint64_t size) {
    return *sign_checkpoint(key_, TreeSize{size}, *root_at(tiles_, TreeSize{size}));
  }
  [[nodiscard]] std::vector<Hash> proof(std::uint64_t from, std::uint64_t to) {
    return *prove_consistency(tiles_, TreeSize{from}, TreeSize{to});
  }
  [[nodiscard]] AddCheckpoint request(std::uint64_t from, std::uint64_t to) {
    return {TreeSize{from}, proof(from, to), note_at(to)};
  }

 protected:
  SigningKey key_;
  std::vector<std::string> entries_;
  MemoryTiles tiles_;
};

}  // namespace pgtally::test
