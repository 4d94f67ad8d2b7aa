#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "postgres/copy.h"
#include "postgres/encode.h"
#include "postgres/session.h"

namespace pgtally::pg {
namespace {

// Signature, flags, length of the header extension.
constexpr std::array<std::uint8_t, 19> kHeader = {
    'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n', '\0', 0, 0, 0, 0, 0, 0, 0, 0};
// The most that is handed to libpq at once; a message may be divided anywhere.
constexpr std::size_t kMostAtOnce = std::size_t{1} << 20;
// A buffer that one huge row has made larger than this is given back.
constexpr std::size_t kKeptCapacity = 16 * CopyIn::kFlushBytes;

}  // namespace

Result<CopyIn> CopyIn::start(Connection& connection, const std::string& sql) {
  Session& session = connection.session();
  TRY_VOID(session.send(sql));
  const ResultPtr answer(PQgetResult(session.handle()));
  if (answer && PQresultStatus(answer.get()) == PGRES_COPY_IN) {
    if (PQbinaryTuples(answer.get()) != 0) return CopyIn(session, PQnfields(answer.get()));
    session.drain();
    return operator_error("COPY FROM STDIN was started without FORMAT binary");
  }
  std::optional<Error> error;
  if (answer && PQresultStatus(answer.get()) == PGRES_FATAL_ERROR) {
    error = session.fail(answer.get(), sql);
  }
  session.drain();
  if (error) return *std::move(error);
  return session.fail(SqlError{.message = "a statement that is not COPY FROM STDIN"});
}

CopyIn::CopyIn(Session& session, int columns) : session_(&session), columns_(columns) {
  buffer_.reserve(kFlushBytes + kFlushBytes / 4);
  append_bytes(buffer_, kHeader);
}

CopyIn::CopyIn(CopyIn&& other) noexcept
    : session_(std::exchange(other.session_, nullptr)),
      columns_(other.columns_),
      fields_(other.fields_),
      buffer_(std::move(other.buffer_)),
      error_(std::move(other.error_)) {}

CopyIn::~CopyIn() {
  give_up("the client has abandoned the COPY");
}

std::uint8_t* CopyIn::field(std::size_t length) {
  if (length > kLongestValue) {
    refuse("a value of " + std::to_string(length) + " bytes is too long");
    return nullptr;
  }
  if (fields_ == 0) append_big_endian(buffer_, static_cast<std::int16_t>(columns_));
  ++fields_;
  std::uint8_t* start = grow(buffer_, sizeof(std::int32_t) + length);
  store_big_endian(start, static_cast<std::int32_t>(length));
  return start + sizeof(std::int32_t);
}

void CopyIn::refuse(std::string message) {
  if (!error_) error_ = reject("column " + std::to_string(fields_ + 1) + ": " + std::move(message));
}

void CopyIn::boolean(bool value) {
  *field(1) = value ? 1 : 0;
}
void CopyIn::int2(std::int16_t value) {
  store_big_endian(field(sizeof value), value);
}
void CopyIn::int4(std::int32_t value) {
  store_big_endian(field(sizeof value), value);
}
void CopyIn::int8(std::int64_t value) {
  store_big_endian(field(sizeof value), value);
}
void CopyIn::index(LeafIndex value) {
  unsigned_int8(value.value);
}

void CopyIn::unsigned_int8(std::uint64_t value) {
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return refuse(std::to_string(value) + " does not fit an int8");
  }
  int8(static_cast<std::int64_t>(value));
}

void CopyIn::text(std::string_view value) {
  bytea(as_bytes(value));
}

void CopyIn::bytea(ByteView value) {
  std::uint8_t* to = field(value.size());
  if (to != nullptr && !value.empty()) std::memcpy(to, value.data(), value.size());
}

void CopyIn::hash(const Hash& value) {
  bytea(value.view());
}

void CopyIn::time(Time value) {
  if (value.microseconds == Time::kNone) return null();
  const auto encoded = to_timestamptz(value);
  if (!encoded) {
    return refuse("the time " + std::to_string(value.microseconds) + " does not fit a timestamptz");
  }
  int8(*encoded);
}

void CopyIn::null() {
  if (fields_ == 0) append_big_endian(buffer_, static_cast<std::int16_t>(columns_));
  ++fields_;
  append_big_endian<std::int32_t>(buffer_, -1);
}

Result<void> CopyIn::end_row() {
  if (session_ == nullptr) return operator_error("this COPY is over already");
  if (!error_ && fields_ != columns_) {
    error_ = operator_error("a row of " + std::to_string(fields_) + " fields for a COPY of " +
                            std::to_string(columns_) + " columns");
  }
  if (error_) {
    give_up(error_->message);
    return *error_;
  }
  if (columns_ == 0) append_big_endian<std::int16_t>(buffer_, 0);
  fields_ = 0;
  if (buffer_.size() >= kFlushBytes) return flush();
  return {};
}

Result<void> CopyIn::flush() {
  const char* data = reinterpret_cast<const char*>(buffer_.data());
  for (std::size_t sent = 0; sent < buffer_.size();) {
    const std::size_t count = std::min(kMostAtOnce, buffer_.size() - sent);
    if (PQputCopyData(session_->handle(), data + sent, static_cast<int>(count)) != 1) {
      // What the server said, if it said something before the connection went, is in the result.
      Session& session = *std::exchange(session_, nullptr);
      auto answer = session.collect({});
      if (!answer.ok()) return std::move(answer).error();
      return session.fail_from_connection();
    }
    sent += count;
  }
  buffer_.clear();
  if (buffer_.capacity() > kKeptCapacity) Bytes().swap(buffer_);
  return {};
}

Result<std::uint64_t> CopyIn::finish() {
  if (session_ == nullptr) return operator_error("this COPY is over already");
  if (fields_ != 0 || error_) {
    if (!error_) error_ = operator_error("the last row of a COPY was not ended");
    give_up(error_->message);
    return *error_;
  }
  append_big_endian<std::int16_t>(buffer_, -1);
  TRY_VOID(flush());
  Session& session = *std::exchange(session_, nullptr);
  session.forget_last_error();
  // Where this fails the connection is lost, and collect() says so.
  PQputCopyEnd(session.handle(), nullptr);
  TRY(const ResultPtr answer, session.collect({}));
  return std::strtoull(PQcmdTuples(answer.get()), nullptr, 10);
}

Result<void> CopyIn::abort(const std::string& reason) {
  if (session_ == nullptr) return operator_error("this COPY is over already");
  const Session& session = *session_;
  give_up(reason);
  if (!session.connected()) return retry("the database connection was lost during a COPY");
  return {};
}

void CopyIn::give_up(const std::string& reason) {
  if (session_ == nullptr) return;
  Session& session = *std::exchange(session_, nullptr);
  PQputCopyEnd(session.handle(), reason.c_str());
  session.drain();
}

}  // namespace pgtally::pg
