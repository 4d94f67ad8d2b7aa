// One value as the server sent it, and the only place that makes sense of its bytes.
//
// decode<T> checks type, format and length before it reads: a value of another type, or one that is
// too short or too long, is an operator error that names both types (the SQL and the code
// disagree), never a wrong number. NULL is an error except for std::optional<T> and Time
// (Time::kNone).
//
//   T                           binary result of type          text-format result of any type
//   bool                        bool                           -
//   int16_t, int32_t, int64_t   int2, int4, int8: exactly      -
//   uint32_t                    oid                            -
//   uint64_t                    xid8, pg_lsn                   -
//   double                      float8                         -
//   LeafIndex, TreeSize         int8, not negative             -
//   Time                        timestamptz                    -
//   string_view, string         text, varchar, char(n), name,  the output function's text
//                               json, xml, unknown
//   ByteView, Bytes             bytea                          -
//   Hash                        bytea of 32 bytes              -
//   vector<string>              text[]                         -
//   vector<optional<string>>    text[] that may hold NULLs     -
//   vector<Bytes>               bytea[]                        -
//   vector<int64_t>             int8[]                         -
//
// Arrays have one dimension, or none when they are empty. Views live as long as what they came
// from. Spec: the send functions of PostgreSQL's types (int8send, timestamptz_send, array_send, …).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"
#include "postgres/types.h"

namespace pgtally::pg {

struct Field {
  enum class Format : std::uint8_t { kBinary, kText, kMissing };

  const std::uint8_t* data = nullptr;
  std::int32_t length = -1;  // -1 for NULL
  Type type = Type::kUnspecified;
  Format format = Format::kMissing;  // kMissing: there is no such row or column

  [[nodiscard]] bool is_null() const { return length < 0; }
  [[nodiscard]] ByteView bytes() const {
    return is_null() ? ByteView{} : ByteView{data, static_cast<std::size_t>(length)};
  }
};

template <typename T>
[[nodiscard]] Result<T> decode_value(const Field& field) = delete;

template <>
Result<bool> decode_value(const Field& field);
template <>
Result<std::int16_t> decode_value(const Field& field);
template <>
Result<std::int32_t> decode_value(const Field& field);
template <>
Result<std::int64_t> decode_value(const Field& field);
template <>
Result<std::uint32_t> decode_value(const Field& field);
template <>
Result<std::uint64_t> decode_value(const Field& field);
template <>
Result<double> decode_value(const Field& field);
template <>
Result<LeafIndex> decode_value(const Field& field);
template <>
Result<TreeSize> decode_value(const Field& field);
// Finite times later than 294247-01-10T04:00:54.775806Z do not fit and are refused.
template <>
Result<Time> decode_value(const Field& field);
template <>
Result<std::string_view> decode_value(const Field& field);
template <>
Result<std::string> decode_value(const Field& field);
template <>
Result<ByteView> decode_value(const Field& field);
template <>
Result<Bytes> decode_value(const Field& field);
template <>
Result<Hash> decode_value(const Field& field);
template <>
Result<std::vector<std::string>> decode_value(const Field& field);
template <>
Result<std::vector<std::optional<std::string>>> decode_value(const Field& field);
template <>
Result<std::vector<Bytes>> decode_value(const Field& field);
template <>
Result<std::vector<std::int64_t>> decode_value(const Field& field);

template <typename T>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <typename T>
[[nodiscard]] Result<T> decode(const Field& field) {
  if constexpr (kIsOptional<T>) {
    // A missing field is an error and not a NULL.
    if (field.is_null() && field.format != Field::Format::kMissing) return T{};
    TRY(auto value, decode_value<typename T::value_type>(field));
    return T{std::move(value)};
  } else {
    return decode_value<T>(field);
  }
}

}  // namespace pgtally::pg
