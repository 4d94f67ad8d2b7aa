// The parameters of a statement, $1 first, in PostgreSQL's binary format, in one buffer.
//
//   connection.query("SELECT … WHERE id >= $1 AND source = $2", Params().index(from).text(name))
//
// The methods carry the names of the SQL types. A value that cannot be sent (a number beyond int8,
// a zero byte in `unknown`) is remembered, and the statement is refused before anything is sent.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"
#include "postgres/types.h"

namespace pgtally::pg {

class Params {
 public:
  static constexpr std::size_t kMost = 65535;  // what the protocol can count

  Params& boolean(bool value);
  Params& int2(std::int16_t value);
  Params& int4(std::int32_t value);
  Params& int8(std::int64_t value);
  Params& index(LeafIndex value);     // int8; at most 2^63-1
  Params& tree_size(TreeSize value);  // int8; at most 2^63-1
  Params& text(std::string_view value);
  Params& bytea(ByteView value);
  Params& hash(const Hash& value);  // bytea
  Params& time(Time value);         // timestamptz with its infinities; NULL for Time::kNone
  Params& null();                   // the server infers the type
  Params& text_array(std::span<const std::string> values);
  Params& bytea_array(std::span<const Bytes> values);
  Params& int8_array(std::span<const std::int64_t> values);
  // Text whose type the statement decides, read by that type's input function: for what users
  // typed.
  Params& unknown(std::string_view value);
  // `value` or NULL.
  Params& text_or_null(const std::optional<std::string>& value);

  void clear();
  [[nodiscard]] std::size_t size() const { return slots_.size(); }

  // What the layer below sends. value(i) is null for NULL; it stays valid until the next change.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] Type type(std::size_t i) const { return slots_[i].type; }
  [[nodiscard]] bool is_binary(std::size_t i) const { return slots_[i].binary; }
  [[nodiscard]] int length(std::size_t i) const { return slots_[i].length; }
  [[nodiscard]] const char* value(std::size_t i) const;

 private:
  struct Slot {
    Type type;
    bool binary;
    int length;  // -1 for NULL
    std::size_t offset;
  };
  // Everything from `start` to the end of the buffer becomes the next parameter.
  Params& finish(Type type, std::size_t start, bool binary = true);
  Params& refuse(std::string message);
  Params& unsigned_int8(std::uint64_t value);

  Bytes buffer_;
  std::vector<Slot> slots_;
  std::optional<Error> error_;
};

}  // namespace pgtally::pg
