// The key of an entry: which row of its source it is about, as bytes.
//
//   opaque column<0..1022> for each key column, in the order of the definition; or, where that does
//   not fit (in all longer than 1024 bytes, or one column longer than 1022):
//   0xFFFF || SHA-256(that encoding), 34 bytes in all
//
// No column is 65535 bytes long, so the first two bytes tell the forms apart. Under the hash, a
// column of 65535 bytes or more, whose length does not fit its prefix, stands as
// 0xFFFF || SHA-256(column).
//
// Spec: docs/formats.md, section Key.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

inline constexpr std::size_t kMaxKeySize = 1024;
inline constexpr std::size_t kMaxKeyColumnSize = 1022;

// The columns are the output text of each key column. Refuses no columns and text that is not
// UTF-8.
[[nodiscard]] Result<Bytes> encode_key(std::span<const std::string_view> columns);
[[nodiscard]] Result<Bytes> encode_key(std::span<const std::string> columns);
// The same into memory that is used again, for millions of them. After an error what it holds means
// nothing.
[[nodiscard]] Result<void> encode_key_into(std::span<const std::string_view> columns, Bytes& key);

struct DecodedKey {
  bool hashed = false;               // the columns were too long: only their hash is known
  std::vector<std::string> columns;  // empty if hashed
};

[[nodiscard]] Result<DecodedKey> decode_key(ByteView key);

// What decode_key() would refuse, found without copying anything.
[[nodiscard]] Result<void> check_key(ByteView key);

}  // namespace pgtally
