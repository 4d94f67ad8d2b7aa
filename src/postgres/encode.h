// The bytes of PostgreSQL's binary formats, for both directions. Used by .cc files of this folder.
#pragma once

#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <type_traits>

#include "pgtally/types.h"

namespace pgtally::pg {

// A value in PostgreSQL is shorter than 1 GiB.
inline constexpr std::size_t kLongestValue = (std::size_t{1} << 30) - 1;

template <typename T>
void store_big_endian(std::uint8_t* to, T value) {
  const auto bits = static_cast<std::make_unsigned_t<T>>(value);
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    to[i] = static_cast<std::uint8_t>(bits >> (8 * (sizeof(T) - 1 - i)));
  }
}

template <typename T>
T load_big_endian(const std::uint8_t* from) {
  std::make_unsigned_t<T> bits = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bits = static_cast<std::make_unsigned_t<T>>((std::uint64_t{bits} << 8) | from[i]);
  }
  return static_cast<T>(bits);
}

// Makes the buffer longer by `count` bytes; where they start.
inline std::uint8_t* grow(Bytes& buffer, std::size_t count) {
  const std::size_t size = buffer.size();
  buffer.resize(size + count);
  return buffer.data() + size;
}

template <typename T>
void append_big_endian(Bytes& buffer, T value) {
  store_big_endian(grow(buffer, sizeof(T)), value);
}

inline void append_bytes(Bytes& buffer, ByteView bytes) {
  buffer.insert(buffer.end(), bytes.begin(), bytes.end());
}

// timestamptz counts from 2000-01-01T00:00:00Z and has its infinities at the ends of int64.
inline constexpr std::int64_t kMicrosecondsFrom1970To2000 = 946'684'800'000'000;

// Nothing where the time lies too far in the past. Precondition: not Time::kNone.
inline std::optional<std::int64_t> to_timestamptz(Time time) {
  if (time.microseconds == Time::kInfinity) return std::numeric_limits<std::int64_t>::max();
  if (time.microseconds == Time::kMinusInfinity) return std::numeric_limits<std::int64_t>::min();
  std::int64_t shifted = 0;
  if (__builtin_sub_overflow(time.microseconds, kMicrosecondsFrom1970To2000, &shifted)) return {};
  return shifted;
}

// Nothing where the time lies too far in the future: PostgreSQL's last 30 years do not fit.
inline std::optional<Time> from_timestamptz(std::int64_t value) {
  if (value == std::numeric_limits<std::int64_t>::max()) return Time{Time::kInfinity};
  if (value == std::numeric_limits<std::int64_t>::min()) return Time{Time::kMinusInfinity};
  std::int64_t shifted = 0;
  if (__builtin_add_overflow(value, kMicrosecondsFrom1970To2000, &shifted)) return {};
  if (shifted == Time::kInfinity) return {};  // would be taken for the infinity
  return Time{shifted};
}

}  // namespace pgtally::pg
