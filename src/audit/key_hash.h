// Which key a row or an entry has, in 16 bytes, for tables of millions of keys.
//
// SipHash-2-4 with 128 bits of output, under a secret that is made for each audit: nobody can choose
// keys that collide, and of 2^40 keys two do with a probability of 2^-48. So a collision is not
// looked for.
//
// Spec: Aumasson and Bernstein, SipHash: a fast short-input PRF.
#pragma once

#include <array>
#include <compare>
#include <cstdint>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct KeyHash {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  auto operator<=>(const KeyHash&) const = default;
};

// For std::unordered_map: the bits are as good as random already.
struct KeyHashBits {
  std::size_t operator()(const KeyHash& hash) const noexcept { return hash.second; }
};

class KeyHasher {
 public:
  using Secret = std::array<std::uint8_t, 16>;
  explicit KeyHasher(const Secret& secret);
  [[nodiscard]] static Result<KeyHasher> random();

  [[nodiscard]] KeyHash operator()(ByteView key) const;

 private:
  std::uint64_t k0_;
  std::uint64_t k1_;
};

}  // namespace pgtally
