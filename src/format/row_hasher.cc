#include "format/row_hasher.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/encoding.h"
#include "format/row_format.h"

namespace pgtally {

Result<RowHasher> RowHasher::create(std::vector<std::string> column_names) {
  RowHasher hasher;
  for (std::size_t place = 0; place < column_names.size(); ++place) {
    const std::string& name = column_names[place];
    TRY_VOID(check_column_name(name));
    Column column{place, {static_cast<std::uint8_t>(name.size())}};
    column.prefix.insert(column.prefix.end(), name.begin(), name.end());
    hasher.by_name_.push_back(std::move(column));
  }
  std::sort(hasher.by_name_.begin(), hasher.by_name_.end(), [&](const Column& a, const Column& b) {
    return column_names[a.place] < column_names[b.place];
  });
  for (std::size_t i = 1; i < hasher.by_name_.size(); ++i) {
    const std::string& name = column_names[hasher.by_name_[i].place];
    if (name == column_names[hasher.by_name_[i - 1].place]) {
      return reject("column " + quoted(name) + " stands twice in a row");
    }
  }
  return hasher;
}

Result<std::size_t> RowHasher::size_of(
    std::span<const std::optional<std::string_view>> values) const {
  if (values.size() != by_name_.size()) {
    return reject("a row of " + std::to_string(by_name_.size()) + " columns was given " +
                  std::to_string(values.size()) + " values");
  }
  std::size_t size = kRowPrefix.size();
  for (const Column& column : by_name_) {
    const auto& value = values[column.place];
    if (!value) continue;
    if (value->size() > kMaxColumnValueSize) {
      return reject("a value of " + std::to_string(value->size()) + " bytes is too long");
    }
    size += column.prefix.size() + kLengthSize + value->size();
  }
  return size;
}

Result<bool> RowHasher::append_preimage(std::span<const std::optional<std::string_view>> values,
                                        Bytes& out) const {
  TRY(const std::size_t size, size_of(values));
  if (size > kMostTogether) return false;
  out.resize(out.size() + size);
  std::uint8_t* at = out.data() + out.size() - size;
  visit(values, [&](ByteView bytes) {
    if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
    at += bytes.size();
  });
  return true;
}

Result<Hash> RowHasher::hash(std::span<const std::optional<std::string_view>> values) {
  // Put together first: hashing takes longer in many small pieces.
  together_.clear();
  TRY(const bool is_together, append_preimage(values, together_));
  if (is_together) return sha256(together_);
  visit(values, [&](ByteView bytes) { stream_.update(bytes); });
  return stream_.finish();
}

template <typename Put>
void RowHasher::visit(std::span<const std::optional<std::string_view>> values, Put put) const {
  put(as_bytes(kRowPrefix));
  for (const Column& column : by_name_) {
    const auto& value = values[column.place];
    if (!value) continue;
    const auto size = static_cast<std::uint32_t>(value->size());
    const std::array<std::uint8_t, kLengthSize> length{
        static_cast<std::uint8_t>(size >> 24), static_cast<std::uint8_t>(size >> 16),
        static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size)};
    put(column.prefix);
    put(length);
    put(as_bytes(*value));
  }
}

}  // namespace pgtally
