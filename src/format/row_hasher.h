// The row hash for millions of rows of one shape: columns are sorted once, nothing is allocated per
// row, values are hashed where they stand.
//
// Spec: docs/formats.md, section Row hash.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/sha256.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// Not for use by two threads at once.
class RowHasher {
 public:
  // The covered columns, in the order in which hash() will be given their values. Refuses what
  // encode_row() refuses.
  [[nodiscard]] static Result<RowHasher> create(std::vector<std::string> column_names);

  // One value for each column, nullopt for NULL; the text is trusted to be UTF-8, as what a UTF8
  // database sends is. Refuses another number of values, and a value of 2^32 bytes or more.
  [[nodiscard]] Result<Hash> hash(std::span<const std::optional<std::string_view>> values);
  // Appends what hash() would hash, for those who hash many at once. False, and nothing appended, for a
  // row that is too long to be put together.
  [[nodiscard]] Result<bool> append_preimage(
      std::span<const std::optional<std::string_view>> values, Bytes& out) const;

 private:
  struct Column {
    std::size_t place;  // in `values`
    Bytes prefix;       // the length and the name, as they are hashed
  };
  static constexpr std::size_t kMostTogether = 4096;
  static constexpr std::size_t kLengthSize = 4;
  RowHasher() = default;
  // How many bytes are hashed.
  [[nodiscard]] Result<std::size_t> size_of(
      std::span<const std::optional<std::string_view>> values) const;
  // All of them, piece by piece.
  template <typename Put>
  void visit(std::span<const std::optional<std::string_view>> values, Put put) const;

  std::vector<Column> by_name_;
  Sha256Stream stream_;
  Bytes together_;  // room for a row that is hashed in one piece
};

}  // namespace pgtally
