#include "pgtally/content.h"

#include <algorithm>

#include "base/byte_io.h"
#include "base/encoding.h"
#include "crypto/sha256.h"
#include "format/row_format.h"

namespace pgtally {
namespace {

Result<void> check_value(std::string_view name, std::string_view value) {
  if (value.size() > kMaxColumnValueSize) {
    return reject("the value of column " + quoted(name) +
                  " is too long to be hashed: " + std::to_string(value.size()) + " bytes");
  }
  if (!is_utf8(as_bytes(value))) {
    return reject("the value of column " + quoted(name) + " is not valid UTF-8: " + quoted(value));
  }
  return {};
}

}  // namespace

Result<void> check_column_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxColumnNameSize || !is_utf8(as_bytes(name))) {
    return reject("not a column name: " + quoted(name), "Names have 1 to 255 bytes of UTF-8.");
  }
  return {};
}

Result<Bytes> encode_row(std::span<const RowColumnView> columns) {
  std::vector<RowColumnView> sorted(columns.begin(), columns.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  ByteWriter out;
  out.raw(kRowPrefix);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const auto& [name, value] = sorted[i];
    TRY_VOID(check_column_name(name));
    if (i > 0 && sorted[i - 1].name == name) {
      return reject("column " + quoted(name) + " stands twice in a row");
    }
    if (!value) continue;
    TRY_VOID(check_value(name, *value));
    out.opaque(as_bytes(name), 1);
    out.opaque(as_bytes(*value), 4);
  }
  return std::move(out).bytes();
}

Result<std::vector<RowColumn>> decode_row(ByteView preimage) {
  ByteReader in(preimage);
  TRY(const ByteView prefix, in.raw(kRowPrefix.size(), "row prefix"));
  if (as_text(prefix) != kRowPrefix) return reject("the row does not begin with pgtally/row/v1");
  std::vector<RowColumn> columns;
  while (!in.at_end()) {
    const std::size_t start = in.offset();
    TRY(const ByteView name_bytes, in.opaque(1, 1, kMaxColumnNameSize, "column name"));
    TRY(const ByteView value_bytes, in.opaque(4, 0, kMaxColumnValueSize, "column value"));
    const std::string_view name = as_text(name_bytes);
    const std::string_view value = as_text(value_bytes);
    TRY_VOID(check_column_name(name));
    TRY_VOID(check_value(name, value));
    if (!columns.empty() && columns.back().name >= name) {
      return reject("column " + quoted(name) + " at byte " + std::to_string(start) +
                    " does not follow " + quoted(columns.back().name) + " in byte order");
    }
    columns.push_back({std::string(name), std::string(value)});
  }
  return columns;
}

Hash blinded(const Hash& salt, const Hash& h) {
  return sha256({as_bytes(kBlindPrefix), salt.view(), h.view()});
}

}  // namespace pgtally
