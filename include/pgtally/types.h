// The distinct kinds of numbers and bytes that run through pgtally.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// Text seen as bytes and bytes seen as text; neither copies, so the argument must outlive the view.
inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A SHA-256 hash.
struct Hash {
  static constexpr std::size_t kSize = 32;
  std::array<std::uint8_t, kSize> bytes{};

  auto operator<=>(const Hash&) const = default;
  // Without the call that comparing arrays would be, several for each entry.
  bool operator==(const Hash& other) const noexcept {
    std::array<std::uint64_t, kSize / sizeof(std::uint64_t)> a;
    std::array<std::uint64_t, kSize / sizeof(std::uint64_t)> b;
    std::memcpy(a.data(), bytes.data(), kSize);
    std::memcpy(b.data(), other.bytes.data(), kSize);
    return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) == 0;
  }
  [[nodiscard]] ByteView view() const { return bytes; }
};

// The place of an entry in the log, counted from 0. Which is what `processed_log.id` holds.
struct LeafIndex {
  std::uint64_t value = 0;
  auto operator<=>(const LeafIndex&) const = default;
};

// How many entries a tree covers; the first that it does not cover has this number as its index.
struct TreeSize {
  std::uint64_t value = 0;
  auto operator<=>(const TreeSize&) const = default;
};

// Microseconds since 1970-01-01T00:00:00Z. kNone, and the two infinities that PostgreSQL knows, are
// values of their own, so that every timestamptz has exactly one encoding.
struct Time {
  static constexpr std::int64_t kNone = INT64_MIN;
  static constexpr std::int64_t kMinusInfinity = INT64_MIN + 1;
  static constexpr std::int64_t kInfinity = INT64_MAX;
  std::int64_t microseconds = kNone;
  auto operator<=>(const Time&) const = default;
};

}  // namespace pgtally
