#include <algorithm>
#include <array>
#include <utility>

#include "postgres/copy.h"
#include "postgres/encode.h"
#include "postgres/session.h"

namespace pgtally::pg {
namespace {

constexpr std::array<std::uint8_t, 11> kSignature = {'P',  'G',  'C',  'O',  'P', 'Y',
                                                     '\n', 0xff, '\r', '\n', '\0'};

Error malformed(const char* what) {
  return operator_error(std::string("the server's binary COPY stream is malformed: ") + what);
}

}  // namespace

Result<CopyOut> CopyOut::start(Connection& connection, const std::string& sql) {
  Session& session = connection.session();
  TRY_VOID(session.send(sql));
  const ResultPtr answer(PQgetResult(session.handle()));
  if (answer && PQresultStatus(answer.get()) == PGRES_COPY_OUT) {
    return CopyOut(session, PQbinaryTuples(answer.get()) != 0);
  }
  std::optional<Error> error;
  if (answer && PQresultStatus(answer.get()) == PGRES_FATAL_ERROR) {
    error = session.fail(answer.get(), sql);
  }
  session.drain();
  if (error) return *std::move(error);
  return session.fail(SqlError{.message = "a statement that is not COPY TO STDOUT"});
}

CopyOut::CopyOut(CopyOut&& other) noexcept
    : session_(std::exchange(other.session_, nullptr)),
      binary_(other.binary_),
      header_seen_(other.header_seen_),
      trailer_seen_(other.trailer_seen_),
      chunk_(std::exchange(other.chunk_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      fields_(std::move(other.fields_)),
      columns_(std::exchange(other.columns_, 0)) {}

CopyOut::~CopyOut() {
  stop();
  release();
}

void CopyOut::release() {
  PQfreemem(chunk_);
  chunk_ = nullptr;
  size_ = 0;
  columns_ = 0;
}

void CopyOut::stop() {
  if (session_ == nullptr) return;
  Session& session = *std::exchange(session_, nullptr);
  // Without the cancelling, the rest of the table would have to be read.
  (void)session.cancel();
  session.drain();
}

Result<bool> CopyOut::next() {
  if (session_ == nullptr) return operator_error("this COPY is over already");
  // One message holds one row; the first may have the header before it, the last is the trailer.
  while (true) {
    release();
    const int count = PQgetCopyData(session_->handle(), &chunk_, 0);
    if (count < 0) return end();
    size_ = static_cast<std::size_t>(count);
    if (!binary_) return true;
    if (auto parsed = parse_chunk(); !parsed.ok()) {
      stop();
      release();
      return std::move(parsed).error();
    }
    if (!trailer_seen_ && size_ != 0) return true;
  }
}

Result<bool> CopyOut::end() {
  Session& session = *std::exchange(session_, nullptr);
  session.forget_last_error();
  TRY_VOID(session.collect({}));
  if (binary_ && !trailer_seen_) return malformed("no trailer");
  return false;
}

Result<void> CopyOut::parse_chunk() {
  ByteView rest = {reinterpret_cast<const std::uint8_t*>(chunk_), size_};
  if (trailer_seen_) return malformed("bytes after the trailer");
  if (!header_seen_) {
    constexpr std::size_t kHeader = kSignature.size() + 8;
    if (rest.size() < kHeader || !std::equal(kSignature.begin(), kSignature.end(), rest.begin()) ||
        load_big_endian<std::int64_t>(rest.data() + kSignature.size()) != 0) {
      return malformed("not the header of this format, without flags and extensions");
    }
    header_seen_ = true;
    rest = rest.subspan(kHeader);
    if (rest.empty()) {
      size_ = 0;  // the header came alone
      return {};
    }
  }
  if (rest.size() < 2) return malformed("a row without a number of fields");
  const auto count = load_big_endian<std::int16_t>(rest.data());
  rest = rest.subspan(2);
  trailer_seen_ = count == -1;
  if (count < -1) return malformed("a negative number of fields");
  const std::size_t columns = trailer_seen_ ? 0 : static_cast<std::size_t>(count);
  if (fields_.size() < columns) {
    fields_.resize(columns, {nullptr, -1, Type::kUnspecified, Field::Format::kBinary});
  }
  for (std::size_t i = 0; i < columns; ++i) {
    if (rest.size() < 4) return malformed("a field without a length");
    const auto length = load_big_endian<std::int32_t>(rest.data());
    rest = rest.subspan(4);
    if (length < -1 || (length > 0 && static_cast<std::size_t>(length) > rest.size())) {
      return malformed("a field that is longer than its row");
    }
    fields_[i].data = rest.data();
    fields_[i].length = length;
    rest = rest.subspan(static_cast<std::size_t>(std::max(length, 0)));
  }
  if (!rest.empty()) return malformed("bytes after the last field of a row");
  columns_ = columns;
  return {};
}

std::string_view CopyOut::line() const {
  if (binary_ || chunk_ == nullptr) return {};
  const std::string_view text(chunk_, size_);
  return text.ends_with('\n') ? text.substr(0, text.size() - 1) : text;
}

}  // namespace pgtally::pg
