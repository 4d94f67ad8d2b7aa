#include "postgres/params.h"

#include <limits>

#include "postgres/encode.h"

namespace pgtally::pg {
namespace {

// Spec: array_recv: dimensions, whether there are NULLs, element type, then length and lower bound
// of the one dimension; an empty array has none.
void append_array_header(Bytes& buffer, Type element, std::size_t count) {
  append_big_endian<std::int32_t>(buffer, count == 0 ? 0 : 1);
  append_big_endian<std::int32_t>(buffer, 0);
  append_big_endian(buffer, static_cast<std::uint32_t>(element));
  if (count == 0) return;
  append_big_endian(buffer, static_cast<std::int32_t>(count));
  append_big_endian<std::int32_t>(buffer, 1);
}

void append_element(Bytes& buffer, ByteView bytes) {
  append_big_endian(buffer, static_cast<std::int32_t>(bytes.size()));
  append_bytes(buffer, bytes);
}

}  // namespace

Params& Params::boolean(bool value) {
  const std::size_t start = buffer_.size();
  buffer_.push_back(value ? 1 : 0);
  return finish(Type::kBool, start);
}

Params& Params::int2(std::int16_t value) {
  const std::size_t start = buffer_.size();
  append_big_endian(buffer_, value);
  return finish(Type::kInt2, start);
}

Params& Params::int4(std::int32_t value) {
  const std::size_t start = buffer_.size();
  append_big_endian(buffer_, value);
  return finish(Type::kInt4, start);
}

Params& Params::int8(std::int64_t value) {
  const std::size_t start = buffer_.size();
  append_big_endian(buffer_, value);
  return finish(Type::kInt8, start);
}

Params& Params::unsigned_int8(std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return refuse(std::to_string(value) + " does not fit an int8");
  }
  return int8(static_cast<std::int64_t>(value));
}

Params& Params::index(LeafIndex value) {
  return unsigned_int8(value.value);
}
Params& Params::tree_size(TreeSize value) {
  return unsigned_int8(value.value);
}

Params& Params::text(std::string_view value) {
  const std::size_t start = buffer_.size();
  append_bytes(buffer_, as_bytes(value));
  return finish(Type::kText, start);
}

Params& Params::bytea(ByteView value) {
  const std::size_t start = buffer_.size();
  append_bytes(buffer_, value);
  return finish(Type::kBytea, start);
}

Params& Params::hash(const Hash& value) {
  return bytea(value.view());
}

Params& Params::time(Time value) {
  if (value.microseconds == Time::kNone) {
    slots_.push_back(Slot{Type::kTimestamptz, true, -1, buffer_.size()});
    return *this;
  }
  const auto encoded = to_timestamptz(value);
  if (!encoded) {
    return refuse("the time " + std::to_string(value.microseconds) + " does not fit a timestamptz");
  }
  const std::size_t start = buffer_.size();
  append_big_endian(buffer_, *encoded);
  return finish(Type::kTimestamptz, start);
}

Params& Params::null() {
  slots_.push_back(Slot{Type::kUnspecified, true, -1, buffer_.size()});
  return *this;
}

Params& Params::text_array(std::span<const std::string> values) {
  const std::size_t start = buffer_.size();
  append_array_header(buffer_, Type::kText, values.size());
  for (const std::string& value : values) append_element(buffer_, as_bytes(value));
  return finish(Type::kTextArray, start);
}

Params& Params::bytea_array(std::span<const Bytes> values) {
  const std::size_t start = buffer_.size();
  append_array_header(buffer_, Type::kBytea, values.size());
  for (const Bytes& value : values) append_element(buffer_, value);
  return finish(Type::kByteaArray, start);
}

Params& Params::int8_array(std::span<const std::int64_t> values) {
  const std::size_t start = buffer_.size();
  append_array_header(buffer_, Type::kInt8, values.size());
  for (const std::int64_t value : values) {
    append_big_endian<std::int32_t>(buffer_, sizeof value);
    append_big_endian(buffer_, value);
  }
  return finish(Type::kInt8Array, start);
}

Params& Params::unknown(std::string_view value) {
  // Text-format parameters end at their first zero byte.
  if (value.find('\0') != std::string_view::npos) return refuse("a value holds a zero byte");
  const std::size_t start = buffer_.size();
  append_bytes(buffer_, as_bytes(value));
  finish(Type::kUnspecified, start, false);
  buffer_.push_back(0);
  return *this;
}

Params& Params::text_or_null(const std::optional<std::string>& value) {
  if (value) return text(*value);
  slots_.push_back(Slot{Type::kText, true, -1, buffer_.size()});
  return *this;
}

void Params::clear() {
  buffer_.clear();
  slots_.clear();
  error_.reset();
}

const char* Params::value(std::size_t i) const {
  const Slot& slot = slots_[i];
  if (slot.length < 0) return nullptr;
  // An empty buffer has no data(), and a null pointer would mean NULL.
  if (slot.length == 0 && slot.binary) return "";
  return reinterpret_cast<const char*>(buffer_.data()) + slot.offset;
}

Params& Params::finish(Type type, std::size_t start, bool binary) {
  const std::size_t length = buffer_.size() - start;
  if (length > kLongestValue)
    return refuse("a value of " + std::to_string(length) + " bytes is too long");
  slots_.push_back(Slot{type, binary, static_cast<int>(length), start});
  return *this;
}

Params& Params::refuse(std::string message) {
  if (!error_) {
    error_ = reject("parameter $" + std::to_string(slots_.size() + 1) + ": " + std::move(message));
  }
  // Keeps the numbers of those that follow.
  slots_.push_back(Slot{Type::kUnspecified, true, -1, buffer_.size()});
  return *this;
}

}  // namespace pgtally::pg
