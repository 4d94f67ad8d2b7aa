// Content hashes: what an entry says about the content of a row.
//
// H is the hash of the content itself: of a row's columns (row/v1), of appended data, or whatever
// an application put into a hash column. What an entry publishes is H, or H blinded with a salt of
// its own, because hashes of small contents can be guessed.
//
// Spec: docs/formats.md, sections Row hash and Blinding.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct RowColumn {
  std::string name;
  std::string value;
  bool operator==(const RowColumn&) const = default;
};

// A column by name and output text; no value is NULL. Views: for hashing without a copy.
struct RowColumnView {
  std::string_view name;
  std::optional<std::string_view> value;
};

// The bytes whose SHA-256 is a row's H: "pgtally/row/v1" || 0x00, then each column that is not NULL
// by ascending bytes of its name, as opaque name<1..255> || opaque value<0..2^32-1>. The columns
// may come in any order. Refuses two of one name, and names or values out of range or not UTF-8.
[[nodiscard]] Result<Bytes> encode_row(std::span<const RowColumnView> columns);

// Reads such bytes back, in their order. Refuses any that encode_row() would not have written.
[[nodiscard]] Result<std::vector<RowColumn>> decode_row(ByteView preimage);

// What is published of a content hash H under a salt.
[[nodiscard]] Hash blinded(const Hash& salt, const Hash& h);

}  // namespace pgtally
