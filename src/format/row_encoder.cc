#include "format/row_encoder.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "pgtally/key.h"

namespace pgtally {
namespace {

Error at_row(const std::string& source, const std::string& what) {
  return reject(what, "Correct the row, or pause the source: pgtally source pause " + source);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// The text of a bytea of 32 bytes, under bytea_output = hex.
std::optional<Hash> hash_from_bytea_text(std::string_view text) {
  Hash hash;
  if (text.size() != 2 + 2 * Hash::kSize || !text.starts_with("\\x")) return std::nullopt;
  for (std::size_t i = 0; i < Hash::kSize; ++i) {
    const int high = hex_digit(text[2 + 2 * i]);
    const int low = hex_digit(text[3 + 2 * i]);
    if (high < 0 || low < 0) return std::nullopt;
    hash.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return hash;
}

}  // namespace

Result<RowEncoder> RowEncoder::make(const SourceDefinition& definition,
                                    const std::vector<std::string>& columns) {
  RowEncoder encoder;
  encoder.source_ = definition.source;
  encoder.width_ = columns.size();
  const auto find = [&](const std::string& name) -> Result<Column> {
    const auto found = std::find(columns.begin(), columns.end(), name);
    if (found != columns.end()) {
      return Column{name, static_cast<std::size_t>(found - columns.begin())};
    }
    return reject("column " + quoted(name) + " of source " + definition.source + " is missing");
  };
  for (const std::string& name : definition.key) {
    TRY(encoder.key_.emplace_back(), find(name));
  }
  if (definition.content == ContentKind::kData) {
    return reject("source " + definition.source + " has no rows, its content is data");
  }
  if (definition.content == ContentKind::kColumn) {
    TRY(encoder.hash_, find(*definition.hash_column));
  } else {
    std::vector<std::string> names;
    for (const ColumnDefinition& column : definition.columns) {
      TRY(encoder.covered_.emplace_back(), find(column.name));
      names.push_back(column.name);
    }
    TRY(encoder.hasher_, RowHasher::create(std::move(names)));
  }
  if (definition.time) {
    TRY(encoder.time_, find(*definition.time));
  }
  encoder.key_texts_.resize(encoder.key_.size());
  encoder.covered_values_.resize(encoder.covered_.size());
  return encoder;
}

Result<void> RowEncoder::check_width(Values values) const {
  if (values.size() == width_) return {};
  return reject("a row of source " + source_ + " has " + std::to_string(values.size()) +
                " values, and " + std::to_string(width_) + " were expected");
}

Result<Bytes> RowEncoder::key_of(Values values) const {
  if (key_.empty()) return Bytes{};
  for (std::size_t i = 0; i < key_.size(); ++i) {
    const auto& value = values[key_[i].place];
    if (!value) {
      return at_row(source_, "key column " + quoted(key_[i].name) + " of source " + source_ +
                                 " is null in a row");
    }
    key_texts_[i] = *value;
  }
  return pgtally::encode_key(std::span<const std::string_view>(key_texts_));
}

RowEncoder::Values RowEncoder::covered_of(Values values) const {
  for (std::size_t i = 0; i < covered_.size(); ++i) covered_values_[i] = values[covered_[i].place];
  return covered_values_;
}

Result<Hash> RowEncoder::content_of(Values values) const {
  if (!hash_) return hasher_->hash(covered_of(values));
  const auto& value = values[hash_->place];
  const auto hash = value ? hash_from_bytea_text(*value) : std::nullopt;
  // 32 zero bytes mean "no content" in an entry.
  if (hash && *hash != Hash{}) return *hash;
  std::string key;
  for (const Column& column : key_) {
    key += (key.empty() ? "" : ", ") + quoted(values[column.place].value_or("null"));
  }
  return at_row(source_, "the hash column of source " + source_ +
                             " does not hold a hash of 32 bytes in row " + key);
}

Result<Time> RowEncoder::time_of(Values values) const {
  if (!time_ || !values[time_->place]) return Time{};
  auto time = parse_time_text(*values[time_->place]);
  if (time.ok()) return time;
  return std::move(time).error().within("column " + quoted(time_->name) + " of source " + source_);
}

Result<Bytes> RowEncoder::encode_key(Values values) const {
  TRY_VOID(check_width(values));
  return key_of(values);
}

Result<Hash> RowEncoder::content(Values values) const {
  TRY_VOID(check_width(values));
  return content_of(values);
}

Result<bool> RowEncoder::append_preimage(Values values, Bytes& out) const {
  TRY_VOID(check_width(values));
  if (hash_) return false;
  return hasher_->append_preimage(covered_of(values), out);
}

Result<EncodedRow> RowEncoder::encode(Values values) const {
  TRY_VOID(check_width(values));
  EncodedRow row;
  TRY(row.key, key_of(values));
  TRY(row.content, content_of(values));
  TRY(row.time, time_of(values));
  return row;
}

}  // namespace pgtally
