// Binary COPY, both ways: the fastest road for many rows.
//
// While one of these lives, its Connection takes no other call. The Connection must outlive it and
// may move.
// Spec: PostgreSQL's COPY documentation, "Binary Format".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "postgres/connection.h"
#include "postgres/field.h"

namespace pgtally::pg {

// COPY … FROM STDIN (FORMAT binary).
//
//   TRY(auto copy, CopyIn::start(connection, "COPY t (id, hash) FROM STDIN (FORMAT binary)"));
//   for (…) {
//     copy.int8(id);
//     copy.hash(hash);
//     TRY_VOID(copy.end_row());
//   }
//   TRY(auto rows, copy.finish());
//
// Fields go straight into one buffer, which is sent when it has passed kFlushBytes. A value that
// cannot be sent, or a row with the wrong number of fields, makes end_row() fail; the copy is then
// over. What the server refuses is reported by finish(), at the latest.
class CopyIn {
 public:
  static constexpr std::size_t kFlushBytes = std::size_t{128} * 1024;

  [[nodiscard]] static Result<CopyIn> start(Connection& connection, const std::string& sql);
  CopyIn(CopyIn&& other) noexcept;
  CopyIn& operator=(CopyIn&&) = delete;
  ~CopyIn();  // aborts what was not finished

  void boolean(bool value);
  void int2(std::int16_t value);
  void int4(std::int32_t value);
  void int8(std::int64_t value);
  void index(LeafIndex value);  // int8; at most 2^63-1
  void text(std::string_view value);
  void bytea(ByteView value);
  void hash(const Hash& value);  // bytea
  void time(Time value);         // timestamptz; NULL for Time::kNone
  void null();
  [[nodiscard]] Result<void> end_row();

  // Sends the rest; how many rows the server took.
  [[nodiscard]] Result<std::uint64_t> finish();
  // Makes the COPY fail, which fails the transaction around it; `reason` lands in the server's log.
  // Fails only where the connection is lost.
  [[nodiscard]] Result<void> abort(const std::string& reason);

 private:
  CopyIn(Session& session, int columns);
  // Makes room for a field of that many bytes after its length; null if it is too long.
  std::uint8_t* field(std::size_t length);
  void unsigned_int8(std::uint64_t value);
  void refuse(std::string message);
  [[nodiscard]] Result<void> flush();
  // Stops the copy because of an error that is reported otherwise.
  void give_up(const std::string& reason);

  Session* session_;  // null when the copy is over
  int columns_;
  int fields_ = 0;  // in the row that is being built
  Bytes buffer_;
  std::optional<Error> error_;
};

// COPY … TO STDOUT, row by row. Destroying it before the end cancels the statement, which fails the
// transaction around it.
class CopyOut {
 public:
  [[nodiscard]] static Result<CopyOut> start(Connection& connection, const std::string& sql);
  CopyOut(CopyOut&& other) noexcept;
  CopyOut& operator=(CopyOut&&) = delete;
  ~CopyOut();

  // Steps to the next row. False at the end, once the server has said that all was well.
  [[nodiscard]] Result<bool> next();

  // FORMAT binary: the fields of the row. COPY does not transmit types, so get<T> checks lengths
  // only.
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] Field field(std::size_t column) const {
    return column < columns_ ? fields_[column] : Field{};
  }
  template <typename T>
  [[nodiscard]] Result<T> get(std::size_t column) const {
    auto value = decode<T>(field(column));
    if (!value.ok()) return std::move(value).error().within("column " + std::to_string(column + 1));
    return value;
  }

  // FORMAT text or csv: the line as the server wrote it, without its newline.
  [[nodiscard]] std::string_view line() const;

 private:
  CopyOut(Session& session, bool binary) : session_(&session), binary_(binary) {}
  [[nodiscard]] Result<void> parse_chunk();
  [[nodiscard]] Result<bool> end();
  void stop();
  void release();

  Session* session_;  // null when the copy is over
  bool binary_;
  bool header_seen_ = false;
  bool trailer_seen_ = false;
  char* chunk_ = nullptr;  // libpq's, one row
  std::size_t size_ = 0;
  std::vector<Field> fields_;  // the first columns_ of them are the row's
  std::size_t columns_ = 0;
};

}  // namespace pgtally::pg
