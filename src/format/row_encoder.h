// From the values of a row, as the wire brings them, to what an entry says of it.
//
// The wire's text format gives each value as its type's output function writes it, which is what
// keys and row hashes are made of. The session that sent them must have had the pinned settings of
// the row hash (Ledger::open sets them; docs/formats.md, section Row hash).
//
// Pure computation: knows no database. Not for use by two threads at once.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/row_hasher.h"
#include "pgtally/definition.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct EncodedRow {
  Bytes key;     // empty if the definition has none
  Hash content;  // before blinding
  Time time;     // kNone if the definition names no time
};

class RowEncoder {
 public:
  // `columns` names the values that encode() will get, in their order; there may be more of them
  // than the definition needs. kReject names the first that is missing.
  [[nodiscard]] static Result<RowEncoder> make(const SourceDefinition& definition,
                                               const std::vector<std::string>& columns);

  using Values = std::span<const std::optional<std::string_view>>;
  // kReject for a key that is null, a hash column that holds no hash, or a time that is none.
  [[nodiscard]] Result<EncodedRow> encode(Values values) const;
  [[nodiscard]] Result<Bytes> encode_key(Values values) const;  // the key alone
  [[nodiscard]] Result<Hash> content(Values values) const;      // the content alone
  // Appends what has to be hashed for the content. False, and nothing appended, where content() has to be
  // asked: of a long row, or where a column holds the hash.
  [[nodiscard]] Result<bool> append_preimage(Values values, Bytes& out) const;

 private:
  struct Column {
    std::string name;
    std::size_t place;
  };
  RowEncoder() = default;
  [[nodiscard]] Result<void> check_width(Values values) const;
  [[nodiscard]] Result<Bytes> key_of(Values values) const;
  [[nodiscard]] Result<Hash> content_of(Values values) const;
  [[nodiscard]] Values covered_of(Values values) const;
  [[nodiscard]] Result<Time> time_of(Values values) const;

  std::string source_;
  std::size_t width_ = 0;
  std::vector<Column> key_;
  std::vector<Column> covered_;
  std::optional<Column> hash_;
  std::optional<Column> time_;
  // Room that is used again for each row.
  mutable std::optional<RowHasher> hasher_;  // nothing where a column holds the hash
  mutable std::vector<std::string_view> key_texts_;
  mutable std::vector<std::optional<std::string_view>> covered_values_;
};

// The time that timestamptz, timestamp (taken as UTC) or date have as output text under DateStyle ISO
// and TimeZone UTC: "2026-11-22 14:03:27.118204+00", with " BC" for years before 1, "infinity",
// "-infinity". From the year 294247 on it is infinity, which is as far as entries count.
[[nodiscard]] Result<Time> parse_time_text(std::string_view text);

}  // namespace pgtally
