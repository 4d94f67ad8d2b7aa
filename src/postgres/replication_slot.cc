// Opening a session with a WAL sender, and its slots. What streams is in replication.cc.
#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/encoding.h"
#include "postgres/conninfo.h"
#include "postgres/output_settings.h"
#include "postgres/quote.h"
#include "postgres/replication.h"
#include "postgres/session.h"

namespace pgtally::pg {
namespace {

using Clock = std::chrono::steady_clock;

// How long a cancelled command may take to stop.
constexpr std::chrono::seconds kCancelling{10};

// The server's defaults for these may end a session that waits for us, or for running writers.
constexpr const char* kPatience = R"sql(
  SET statement_timeout = 0;
  SET lock_timeout = 0;
  SET idle_in_transaction_session_timeout = 0;
  SET idle_session_timeout = 0;
)sql";

// Quoted for a replication command, whose grammar has no E'' strings and needs none here.
Result<std::string> slot_name(std::string_view name) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789_";
  if (name.empty() || name.size() > 63 ||
      name.find_first_not_of(kLetters) != std::string_view::npos) {
    return reject("a replication slot cannot be named " + quoted(name),
                  "Use 1 to 63 of a-z, 0-9 and _.");
  }
  return '"' + std::string(name) + '"';
}

// Whether an answer came by then. Looks ten times a second whether it is still wanted.
bool await_answer(PGconn* handle, Clock::time_point deadline,
                  const std::function<bool()>& cancelled) {
  using std::chrono::milliseconds;
  while (PQisBusy(handle) != 0) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (left <= milliseconds(0) || (cancelled && cancelled())) return false;
    pollfd socket{.fd = PQsocket(handle), .events = POLLIN, .revents = 0};
    ::poll(&socket, 1, static_cast<int>(std::min(left, milliseconds(100)).count()));
    if (PQconsumeInput(handle) == 0) return true;  // the answer is that the connection is lost
  }
  return true;
}

Error not_made(const SlotRequest& request, bool cancelled) {
  const std::string slot = "replication slot " + request.name;
  if (cancelled) return operator_error("the making of " + slot + " was cancelled");
  return retry(slot + " could not be made within " + std::to_string(request.timeout.count()) +
                   " ms: the server waits until all transactions that are running have ended",
               "The oldest is first in: SELECT pid, xact_start, query FROM pg_stat_activity "
               "WHERE backend_xid IS NOT NULL ORDER BY xact_start; prepared ones are in "
               "pg_prepared_xacts.");
}

}  // namespace

Result<Replication> Replication::open(const std::string& conninfo, const ConnectOptions& options) {
  TRY(const auto with_replication, as_replication(conninfo));
  TRY(auto connection, Connection::open(with_replication, options));
  TRY_VOID(connection.execute(kOutputSettings));
  TRY_VOID(connection.execute(kPatience));
  return Replication(std::move(connection));
}

Result<Rows> Replication::run(const std::string& sql) {
  if (streaming_) return operator_error("this session streams; it takes no command until stop()");
  TRY(ResultPtr result, session().run(sql));
  return Rows(result.release());
}

Result<SystemIdentity> Replication::identify() {
  TRY(const Rows rows, run("IDENTIFY_SYSTEM"));
  SystemIdentity identity;
  TRY(identity.system_identifier, rows.get<std::string>(0, 0));
  TRY(const auto timeline, rows.get<std::string_view>(0, 1));
  const char* const end = timeline.data() + timeline.size();
  if (std::from_chars(timeline.data(), end, identity.timeline).ptr != end) {
    return reject("the server's timeline is " + quoted(timeline));
  }
  TRY(const auto position, rows.get<std::string_view>(0, 2));
  TRY(identity.position, parse_lsn(position));
  TRY(identity.database, rows.get<std::string>(0, 3));
  return identity;
}

Result<CreatedSlot> Replication::create_slot(const SlotRequest& request) {
  constexpr std::array<const char*, 3> kSnapshots = {" NOEXPORT_SNAPSHOT", " EXPORT_SNAPSHOT",
                                                     " USE_SNAPSHOT"};
  if (streaming_) return operator_error("this session streams; it makes no slot until stop()");
  TRY(const auto name, slot_name(request.name));
  const std::string command = "CREATE_REPLICATION_SLOT " + name +
                              (request.temporary ? " TEMPORARY" : "") + " LOGICAL pgoutput" +
                              kSnapshots.at(static_cast<std::size_t>(request.snapshot));
  TRY_VOID(session().send(command));

  const bool answered =
      await_answer(session().handle(), Clock::now() + request.timeout, request.cancelled);
  const bool cancelled = !answered && request.cancelled && request.cancelled();
  if (!answered) {
    // A slot that is being made is dropped by the server when the making fails.
    (void)session().cancel();
    if (!await_answer(session().handle(), Clock::now() + kCancelling, {})) {
      session().sever();
      Error error = not_made(request, cancelled);
      error.hint = "The server did not stop when it was asked to: the slot may still come to be.";
      return error;
    }
  }
  auto result = session().collect(command);
  if (!result.ok()) {
    if (!answered && last_sqlstate() == "57014") return not_made(request, cancelled);
    return std::move(result).error();
  }
  const Rows rows(result->release());
  if (cancelled) {
    // It was ready just before the request to stop arrived.
    TRY_VOID(drop_slot(request.name));
    return not_made(request, true);
  }
  CreatedSlot slot;
  TRY(const auto point, rows.get<std::string_view>(0, 1));
  TRY(slot.consistent_point, parse_lsn(point));
  if (request.snapshot == SlotSnapshot::kExport) {
    TRY(slot.snapshot, rows.get<std::string>(0, 2));
  }
  return slot;
}

Result<void> Replication::drop_slot(const std::string& slot) {
  TRY(const auto name, slot_name(slot));
  auto dropped = run("DROP_REPLICATION_SLOT " + name);
  if (dropped.ok() || last_sqlstate() == "42704") return {};  // undefined_object
  Error error = std::move(dropped).error();
  if (last_sqlstate() == "55006") error.code = ErrorCode::kRetry;  // object_in_use
  return error;
}

Result<void> Replication::start(const StreamRequest& request) {
  if (has_streamed_) return operator_error("a replication session streams only once; open another");
  TRY(const auto name, slot_name(request.slot));
  std::string publications;
  for (const auto& publication : request.publications) {
    TRY(const auto identifier, quote_identifier(publication));
    if (!publications.empty()) publications += ',';
    publications += identifier;
  }
  // The grammar of replication commands knows no E'' strings: a backslash stands for itself.
  std::string literal;
  for (const char c : publications) literal.append(c == '\'' ? 2 : 1, c);
  const std::string command = "START_REPLICATION SLOT " + name + " LOGICAL " +
                              to_string(request.from) + " (proto_version '2', streaming '" +
                              (request.in_progress ? "on" : "off") + "', publication_names '" +
                              literal + "')";
  TRY_VOID(session().send(command));
  const ResultPtr answer(PQgetResult(session().handle()));
  if (answer && PQresultStatus(answer.get()) == PGRES_COPY_BOTH) {
    streaming_ = true;
    has_streamed_ = true;
    status_ = {};
    status_sent_ = Clock::now();
    return {};
  }
  Error error = answer ? session().fail(answer.get(), command) : session().fail_from_connection();
  session().drain();
  if (last_sqlstate() == "55006") error.code = ErrorCode::kRetry;  // object_in_use
  return error;
}

}  // namespace pgtally::pg
