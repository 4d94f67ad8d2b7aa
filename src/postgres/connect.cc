// Making and remaking the server session.
#include <array>
#include <chrono>

#include "postgres/session.h"

namespace pgtally::pg {
namespace {

// A second attempt is made to learn more about a failure; not where the first one took long.
constexpr auto kQuickFailure = std::chrono::seconds(2);

struct ConnectFailure {
  std::string message;
  std::string sqlstate;
};

// libpq keeps the SQLSTATE of a refused connection to itself, but writes it into its message when
// it is told to be verbose: "… failed: FATAL:  57P03: the database system is starting up\nLOCATION:
// …". Takes it out again.
ConnectFailure parse_verbose(std::string message) {
  ConnectFailure failure;
  constexpr std::string_view kBefore = ":  ";
  for (std::size_t at = message.find(kBefore); at != std::string::npos;
       at = message.find(kBefore, at + 1)) {
    const std::size_t start = at + kBefore.size();
    const std::string code = message.substr(start, 5);
    const bool is_code =
        code.size() == 5 && message.compare(start + 5, 2, ": ") == 0 &&
        code.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos;
    if (!is_code) continue;
    failure.sqlstate = code;
    message.erase(start, 7);
  }
  const std::size_t location = message.find("\nLOCATION:");
  if (location != std::string::npos) {
    const std::size_t end = message.find('\n', location + 1);
    message.erase(location, end == std::string::npos ? end : end - location);
  }
  failure.message = std::move(message);
  return failure;
}

// Reconnects `handle`. Nothing when that worked.
std::optional<ConnectFailure> reconnect(PGconn* handle) {
  PQsetErrorVerbosity(handle, PQERRORS_VERBOSE);
  PQreset(handle);
  PQsetErrorVerbosity(handle, PQERRORS_DEFAULT);
  if (PQstatus(handle) == CONNECTION_OK) return std::nullopt;
  return parse_verbose(PQerrorMessage(handle));
}

}  // namespace

Result<std::unique_ptr<Session>> Session::open(const std::string& conninfo,
                                               const ConnectOptions& options) {
  const std::string timeout = std::to_string(options.connect_timeout.count());
  // What stands before dbname, conninfo overrides; what stands after it, overrides conninfo. The
  // keepalives find out within a minute that a peer has vanished without a word.
  const std::array<const char*, 8> keywords{
      "connect_timeout", "keepalives_idle", "keepalives_interval",       "keepalives_count",
      "dbname",          "client_encoding", "fallback_application_name", nullptr};
  const std::array<const char*, 8> values{
      timeout.c_str(), "30", "10", "3", conninfo.c_str(), "UTF8", options.application_name.c_str(),
      nullptr};
  if (conninfo.find('\0') != std::string::npos) {
    return reject("the connection string holds a zero byte");
  }

  const auto began = std::chrono::steady_clock::now();
  std::unique_ptr<Session> session(
      new Session(PQconnectdbParams(keywords.data(), values.data(), 1)));
  if (session->handle_ == nullptr) return operator_error("out of memory while connecting");
  if (!session->connected()) {
    std::optional<ConnectFailure> failure{{PQerrorMessage(session->handle_), {}}};
    // A wrong password is not tried twice: there are servers that lock the account.
    const bool password_asked = PQconnectionUsedPassword(session->handle_) != 0 ||
                                PQconnectionNeedsPassword(session->handle_) != 0;
    if (!password_asked && std::chrono::steady_clock::now() - began < kQuickFailure) {
      failure = reconnect(session->handle_);
    }
    if (failure) return connect_error(failure->message, failure->sqlstate);
  }
  session->adopt_server_session();
  return session;
}

Result<void> Session::reset() {
  forget_last_error();
  if (const auto failure = reconnect(handle_)) {
    last_error_ = SqlError{.sqlstate = failure->sqlstate.empty() ? "08001" : failure->sqlstate,
                           .severity = "FATAL",
                           .message = failure->message};
    Error error = connect_error(failure->message, failure->sqlstate);
    // It has worked before, so a server that does not answer is more likely down than misnamed.
    if (failure->sqlstate.empty()) error.code = ErrorCode::kRetry;
    return error;
  }
  adopt_server_session();
  return {};
}

}  // namespace pgtally::pg
