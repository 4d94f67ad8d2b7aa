#include "postgres/replication.h"

#include <poll.h>

#include <algorithm>
#include <array>

#include "base/byte_io.h"
#include "postgres/encode.h"
#include "postgres/session.h"

namespace pgtally::pg {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// OpenSSL may hold bytes that the socket no longer shows: look again this often where it is in use.
constexpr milliseconds kLookAgain{100};
constexpr milliseconds kLongestPoll{60'000};
constexpr milliseconds kLongestWait{24 * 3'600'000};

std::int64_t microseconds_since_2000() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count() -
         kMicrosecondsFrom1970To2000;
}

Result<Lsn> read_lsn(ByteReader& in, const char* field) {
  TRY(const auto value, in.u64(field));
  return Lsn{value};
}

Result<Time> read_time(ByteReader& in) {
  TRY(const auto value, in.u64("time"));
  return from_timestamptz(static_cast<std::int64_t>(value)).value_or(Time{Time::kInfinity});
}

Error not_streaming() {
  return operator_error("this session does not stream");
}

}  // namespace

void Replication::FreeMessage::operator()(char* message) const {
  PQfreemem(message);
}

Error Replication::lost() {
  streaming_ = false;
  return session().fail_from_connection();
}

Error Replication::ended_by_server() {
  streaming_ = false;
  const ResultPtr result(PQgetResult(session().handle()));
  // Anything but an error is the server's way of saying that it shuts down.
  Error error = result && PQresultStatus(result.get()) == PGRES_FATAL_ERROR
                    ? session().fail(result.get(), {})
                    : session().fail(SqlError{
                          .sqlstate = "57P01",
                          .severity = "FATAL",
                          .message = "the server has ended the replication stream, it shuts down"});
  session().sever();
  return error;
}

Result<bool> Replication::await_message(Clock::time_point deadline) {
  PGconn* const handle = session().handle();
  for (bool last_look = false;;) {
    char* message = nullptr;
    const int size = PQgetCopyData(handle, &message, 1);
    message_.reset(message);
    message_size_ = static_cast<std::size_t>(std::max(size, 0));
    if (size > 0) return true;
    if (size == -1) return ended_by_server();
    if (size < 0) return lost();
    if (last_look) return false;

    auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    left = std::clamp(left, milliseconds(0), PQsslInUse(handle) != 0 ? kLookAgain : kLongestPoll);
    pollfd socket{.fd = PQsocket(handle), .events = POLLIN, .revents = 0};
    ::poll(&socket, 1, static_cast<int>(left.count()));
    if (PQconsumeInput(handle) == 0) return lost();
    last_look = Clock::now() >= deadline;
  }
}

Result<Received> Replication::receive(milliseconds timeout) {
  if (!streaming_) return not_streaming();
  message_.reset();
  const auto deadline = Clock::now() + std::clamp(timeout, milliseconds(0), kLongestWait);
  while (true) {
    TRY_VOID(keep_alive());
    TRY(const bool received, await_message(std::min(deadline, status_sent_ + kStatusInterval)));
    if (received) return parse({reinterpret_cast<std::uint8_t*>(message_.get()), message_size_});
    if (Clock::now() >= deadline) return Received{};
  }
}

Result<Received> Replication::parse(ByteView message) {
  ByteReader in(message);
  const auto parsed = [&]() -> Result<Received> {
    TRY(const auto kind, in.u8("kind"));
    if (kind == 'w') {
      XLogData data;
      TRY(data.start, read_lsn(in, "start"));
      TRY(data.end, read_lsn(in, "end"));
      TRY(data.sent, read_time(in));
      data.payload = message.subspan(in.offset());
      return Received{data};
    }
    if (kind != 'k') return reject("kind " + std::to_string(kind) + " is not known");
    Keepalive keepalive;
    TRY(keepalive.end, read_lsn(in, "end"));
    TRY(keepalive.sent, read_time(in));
    TRY(const auto reply_requested, in.u8("reply requested"));
    TRY_VOID(in.finish("keepalive"));
    keepalive.reply_requested = reply_requested != 0;
    if (keepalive.reply_requested) TRY_VOID(send_status(status_));
    return Received{keepalive};
  }();
  if (!parsed.ok() && parsed.error().code == ErrorCode::kReject) {
    return parsed.error().within("the server's replication stream is malformed");
  }
  return parsed;
}

Result<void> Replication::send_status(const StreamStatus& status) {
  return send_status(status, false);
}

Result<void> Replication::send_status(const StreamStatus& status, bool asks_for_answer) {
  if (!streaming_) return not_streaming();
  ByteWriter out;
  out.u8('r');
  out.u64(status.written.value);
  out.u64(status.flushed.value);
  out.u64(status.applied.value);
  out.u64(static_cast<std::uint64_t>(microseconds_since_2000()));
  out.u8(asks_for_answer ? 1 : 0);
  const std::string_view bytes = as_text(out.bytes());
  PGconn* const handle = session().handle();
  if (PQputCopyData(handle, bytes.data(), static_cast<int>(bytes.size())) != 1 ||
      PQflush(handle) != 0) {
    return lost();
  }
  status_ = status;
  status_sent_ = Clock::now();
  return {};
}

Result<void> Replication::keep_alive() {
  if (Clock::now() - status_sent_ < kStatusInterval) return {};
  return send_status(status_, true);
}

Result<void> Replication::stop(milliseconds timeout) {
  if (!streaming_) return {};
  const auto deadline = Clock::now() + std::clamp(timeout, milliseconds(0), kLongestWait);
  streaming_ = false;
  PGconn* const handle = session().handle();
  if (PQputCopyEnd(handle, nullptr) != 1 || PQflush(handle) != 0) return lost();
  while (true) {
    // The end of the stream is what is waited for, so it is no error here.
    char* message = nullptr;
    const int size = PQgetCopyData(handle, &message, 1);
    PQfreemem(message);
    if (size == -1) break;
    if (size < 0) return lost();
    if (size > 0) continue;
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (left <= milliseconds(0)) {
      session().sever();
      return retry("the server did not end the replication stream within " +
                   std::to_string(timeout.count()) + " ms; the session was ended");
    }
    pollfd socket{.fd = PQsocket(handle), .events = POLLIN, .revents = 0};
    ::poll(&socket, 1, static_cast<int>(std::min(left, kLookAgain).count()));
    if (PQconsumeInput(handle) == 0) return lost();
  }
  session().forget_last_error();
  TRY_VOID(session().collect({}));
  return {};
}

}  // namespace pgtally::pg
