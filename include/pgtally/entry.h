// Entry: what one leaf of the log commits to.
//
// Every entry has exactly one encoding: decode_entry() refuses what encode() would not have
// written. An entry of an unknown version stays opaque, but its leaf hash is computed from its
// bytes alone, so its place in the log can still be proved.
//
// Spec: docs/formats.md, section Entry.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

inline constexpr std::uint8_t kEntryVersion = 1;
inline constexpr std::size_t kMaxEntrySize = 1408;
inline constexpr std::size_t kMaxSourcePositionSize = 255;

// The ledger's own source. It holds the ledger's definition and its notices, and takes no rows.
inline constexpr std::string_view kLedgerSource = "pgtally";

enum class Operation : std::uint8_t {
  kInsert = 1,
  kUpdate = 2,
  kDelete = 3,
  kTruncate = 4,
  kDefine = 5,  // of the entry's own source and definition number; content_hash is the document's
  kNotice = 6,
};

// "insert", "update", …
[[nodiscard]] std::string_view name_of(Operation operation);

// Whether entries of this operation carry a key (1-3) or an empty one.
[[nodiscard]] constexpr bool has_key(Operation operation) {
  return operation <= Operation::kDelete;
}

// An entry whose text and key stand somewhere else: for encoding millions without a copy of each.
struct EntryView {
  Operation operation = Operation::kInsert;
  std::uint32_t definition = 0;  // which definition of the source it was hashed under
  std::uint64_t ordinal = 0;     // its number within its source: 0, 1, 2, … without a gap
  Time sequenced_at;             // the database's clock; a finite time, not before 1970
  Time source_time;              // the time that the source claims, or none
  std::string_view source;
  ByteView key;                      // as encode_key() gives it; empty where !has_key(operation)
  std::string_view source_position;  // how the source orders the row, at most 255 bytes
  Hash content_hash;  // zero for a truncate, and for a delete whose old row is not known
};

struct Entry {
  Operation operation = Operation::kInsert;
  std::uint32_t definition = 0;
  std::uint64_t ordinal = 0;
  Time sequenced_at;
  Time source_time;
  std::string source;
  Bytes key;
  std::string source_position;
  Hash content_hash;

  operator EntryView() const;  // NOLINT: implicit, as std::string is to its view
  // Takes a copy, in memory that may be there already.
  void assign(const EntryView& view);
  bool operator==(const Entry&) const = default;
};

[[nodiscard]] Result<Bytes> encode(const Entry& entry);

// The same into memory of the caller, without allocating. The view is of `buffer`.
using EntryBuffer = std::array<std::uint8_t, kMaxEntrySize>;
[[nodiscard]] Result<ByteView> encode_into(const EntryView& entry, EntryBuffer& buffer);

// Refuses an unknown version, saying so; ask entry_version() first where that can happen.
[[nodiscard]] Result<Entry> decode_entry(ByteView bytes);
// The same without a copy: of `bytes`, for millions of them.
[[nodiscard]] Result<EntryView> decode_entry_view(ByteView bytes);

// The same of bytes that encode_into() has given: nothing is checked again.
[[nodiscard]] EntryView view_of_encoded(ByteView bytes);

// The version that the bytes name; refuses no bytes at all and more than an entry can have (65535).
[[nodiscard]] Result<std::uint8_t> entry_version(ByteView bytes);

// Whether a source may have this name: [a-z0-9][a-z0-9._-]*, 1 to 63 bytes.
[[nodiscard]] bool is_source_name(std::string_view name);

}  // namespace pgtally
