#include "postgres/field.h"

#include <bit>
#include <limits>

#include "postgres/encode.h"

namespace pgtally::pg {

std::string name_of(Type type) {
  switch (type) {
    case Type::kUnspecified:
      return "a type that was not transmitted";
    case Type::kBool:
      return "bool";
    case Type::kBytea:
      return "bytea";
    case Type::kName:
      return "name";
    case Type::kInt8:
      return "int8";
    case Type::kInt2:
      return "int2";
    case Type::kInt4:
      return "int4";
    case Type::kText:
      return "text";
    case Type::kOid:
      return "oid";
    case Type::kJson:
      return "json";
    case Type::kXml:
      return "xml";
    case Type::kFloat8:
      return "float8";
    case Type::kUnknown:
      return "unknown";
    case Type::kByteaArray:
      return "bytea[]";
    case Type::kTextArray:
      return "text[]";
    case Type::kInt8Array:
      return "int8[]";
    case Type::kBpchar:
      return "char(n)";
    case Type::kVarchar:
      return "varchar";
    case Type::kDate:
      return "date";
    case Type::kTimestamp:
      return "timestamp";
    case Type::kTimestamptz:
      return "timestamptz";
    case Type::kNumeric:
      return "numeric";
    case Type::kUuid:
      return "uuid";
    case Type::kPgLsn:
      return "pg_lsn";
    case Type::kXid8:
      return "xid8";
  }
  return "type " + std::to_string(static_cast<std::uint32_t>(type));
}

namespace {

bool has_type(const Field& field, Type expected) {
  return field.type == expected || field.type == Type::kUnspecified;
}

// A binary value that is there, of this type. Everything else ends in misfit().
bool is_value(const Field& field, Type expected) {
  return field.format == Field::Format::kBinary && field.length >= 0 && has_type(field, expected);
}

template <typename T>
bool is_fixed(const Field& field, Type expected) {
  return is_value(field, expected) && field.length == static_cast<std::int32_t>(sizeof(T));
}

Error misfit(const Field& field, Type expected) {
  const std::string wanted = name_of(expected);
  if (field.format == Field::Format::kMissing) {
    return operator_error("the result has no such row or column");
  }
  if (field.is_null()) return operator_error("NULL where " + wanted + " was expected");
  if (field.format == Field::Format::kText) {
    return operator_error("a result in text format where " + wanted + " was expected");
  }
  if (!has_type(field, expected)) {
    return operator_error(name_of(field.type) + " where " + wanted + " was expected",
                          "The tables are not as this version of pgtally expects them.");
  }
  return operator_error("malformed " + wanted + " of " + std::to_string(field.length) + " bytes");
}

template <typename T>
Result<T> fixed(const Field& field, Type expected) {
  if (!is_fixed<T>(field, expected)) return misfit(field, expected);
  return load_big_endian<T>(field.data);
}

bool is_text(const Field& field) {
  if (field.length < 0) return false;
  if (field.format == Field::Format::kText) return true;
  if (field.format != Field::Format::kBinary) return false;
  switch (field.type) {
    case Type::kText:
    case Type::kVarchar:
    case Type::kBpchar:
    case Type::kName:
    case Type::kJson:
    case Type::kXml:
    case Type::kUnknown:
    case Type::kUnspecified:
      return true;
    default:
      return false;
  }
}

// Calls take(element) for each element. Spec: array_send; see also append_array_header in
// params.cc.
template <typename Take>
Result<void> each_element(const Field& field, Type array, Type element, Take take) {
  constexpr std::size_t kHeader = 12;
  constexpr std::size_t kDimension = 8;
  if (!is_value(field, array)) return misfit(field, array);
  ByteView rest = field.bytes();
  if (rest.size() < kHeader) return misfit(field, array);
  const auto dimensions = load_big_endian<std::int32_t>(rest.data());
  const auto sent_element = load_big_endian<std::uint32_t>(rest.data() + 8);
  if (sent_element != static_cast<std::uint32_t>(element)) {
    return operator_error("an array of " + name_of(static_cast<Type>(sent_element)) + " where " +
                          name_of(array) + " was expected");
  }
  rest = rest.subspan(kHeader);
  if (dimensions == 0 && rest.empty()) return {};
  if (dimensions != 1) {
    return operator_error("an array of " + std::to_string(dimensions) +
                          " dimensions where one was expected");
  }
  if (rest.size() < kDimension) return misfit(field, array);
  const auto count = load_big_endian<std::int32_t>(rest.data());
  rest = rest.subspan(kDimension);
  for (std::int32_t i = 0; i < count; ++i) {
    if (rest.size() < 4) return misfit(field, array);
    const auto length = load_big_endian<std::int32_t>(rest.data());
    rest = rest.subspan(4);
    if (length < -1 || (length > 0 && static_cast<std::size_t>(length) > rest.size())) {
      return misfit(field, array);
    }
    TRY_VOID(take(Field{rest.data(), length, element, Field::Format::kBinary}));
    rest = rest.subspan(static_cast<std::size_t>(std::max(length, 0)));
  }
  if (count < 0 || !rest.empty()) return misfit(field, array);
  return {};
}

template <typename T>
Result<std::vector<T>> array_of(const Field& field, Type array, Type element) {
  std::vector<T> values;
  TRY_VOID(each_element(field, array, element, [&](const Field& one) -> Result<void> {
    TRY(auto value, decode<T>(one));
    values.push_back(std::move(value));
    return {};
  }));
  return values;
}

}  // namespace

template <>
Result<bool> decode_value(const Field& field) {
  if (!is_fixed<std::uint8_t>(field, Type::kBool) || field.data[0] > 1) {
    return misfit(field, Type::kBool);
  }
  return field.data[0] == 1;
}

template <>
Result<std::int16_t> decode_value(const Field& field) {
  return fixed<std::int16_t>(field, Type::kInt2);
}

template <>
Result<std::int32_t> decode_value(const Field& field) {
  return fixed<std::int32_t>(field, Type::kInt4);
}

template <>
Result<std::int64_t> decode_value(const Field& field) {
  return fixed<std::int64_t>(field, Type::kInt8);
}

template <>
Result<std::uint32_t> decode_value(const Field& field) {
  return fixed<std::uint32_t>(field, Type::kOid);
}

template <>
Result<std::uint64_t> decode_value(const Field& field) {
  return fixed<std::uint64_t>(field, field.type == Type::kPgLsn ? Type::kPgLsn : Type::kXid8);
}

template <>
Result<double> decode_value(const Field& field) {
  TRY(const auto bits, fixed<std::uint64_t>(field, Type::kFloat8));
  return std::bit_cast<double>(bits);
}

template <>
Result<LeafIndex> decode_value(const Field& field) {
  TRY(const auto value, fixed<std::int64_t>(field, Type::kInt8));
  if (value < 0) return operator_error(std::to_string(value) + " where an index was expected");
  return LeafIndex{static_cast<std::uint64_t>(value)};
}

template <>
Result<TreeSize> decode_value(const Field& field) {
  TRY(const auto value, fixed<std::int64_t>(field, Type::kInt8));
  if (value < 0) return operator_error(std::to_string(value) + " where a tree size was expected");
  return TreeSize{static_cast<std::uint64_t>(value)};
}

template <>
Result<Time> decode_value(const Field& field) {
  if (field.is_null() && field.format == Field::Format::kBinary &&
      has_type(field, Type::kTimestamptz)) {
    return Time{Time::kNone};
  }
  TRY(const auto value, fixed<std::int64_t>(field, Type::kTimestamptz));
  const auto time = from_timestamptz(value);
  if (!time) {
    return operator_error(
        "a time too far in the future: " + std::to_string(value) + " microseconds after 2000-01-01",
        "Times after the year 294246 cannot be recorded.");
  }
  return *time;
}

template <>
Result<std::string_view> decode_value(const Field& field) {
  if (!is_text(field)) return misfit(field, Type::kText);
  return as_text(field.bytes());
}

template <>
Result<std::string> decode_value(const Field& field) {
  TRY(const auto text, decode_value<std::string_view>(field));
  return std::string(text);
}

template <>
Result<ByteView> decode_value(const Field& field) {
  if (!is_value(field, Type::kBytea)) return misfit(field, Type::kBytea);
  return field.bytes();
}

template <>
Result<Bytes> decode_value(const Field& field) {
  TRY(const auto view, decode_value<ByteView>(field));
  return Bytes(view.begin(), view.end());
}

template <>
Result<Hash> decode_value(const Field& field) {
  if (!is_fixed<Hash>(field, Type::kBytea)) {
    if (!is_value(field, Type::kBytea)) return misfit(field, Type::kBytea);
    return operator_error("a hash of " + std::to_string(field.length) + " bytes, it must have 32");
  }
  Hash hash;
  std::memcpy(hash.bytes.data(), field.data, Hash::kSize);
  return hash;
}

template <>
Result<std::vector<std::string>> decode_value(const Field& field) {
  return array_of<std::string>(field, Type::kTextArray, Type::kText);
}

template <>
Result<std::vector<std::optional<std::string>>> decode_value(const Field& field) {
  return array_of<std::optional<std::string>>(field, Type::kTextArray, Type::kText);
}

template <>
Result<std::vector<Bytes>> decode_value(const Field& field) {
  return array_of<Bytes>(field, Type::kByteaArray, Type::kBytea);
}

template <>
Result<std::vector<std::int64_t>> decode_value(const Field& field) {
  return array_of<std::int64_t>(field, Type::kInt8Array, Type::kInt8);
}

}  // namespace pgtally::pg
