// One session with a PostgreSQL server.
//
// Invariants
//   - client_encoding is UTF8;
//   - between two calls no result is outstanding, except while a CopyIn or CopyOut lives, or between
//     Transaction::send_commit and await_commit; other calls are refused then;
//   - after a lost connection every call fails with `retry` until reset() succeeds.
//
// Used by one thread at a time; only cancel() may be called from others. All calls block.
// Statements end where their text ends: a zero byte in one is refused.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/result.h"
#include "postgres/errors.h"
#include "postgres/params.h"
#include "postgres/rows.h"

namespace pgtally::pg {

class Session;  // what holds the libpq handle; only for the files of this folder

struct ConnectOptions {
  std::string application_name = "pgtally";  // where the conninfo names none
  std::chrono::seconds connect_timeout{10};  // per host, where the conninfo names none; ≥ 2 s
};

// Something the server remarked. `severity` is not translated: WARNING, NOTICE, INFO, LOG, DEBUG.
struct Notice {
  std::string severity;
  std::string sqlstate;
  std::string message;
};

enum class TransactionStatus { kIdle, kActive, kInTransaction, kInError, kUnknown };

class Connection {
 public:
  // `conninfo` is a URI, a keyword string, a database name, or empty (then the PG* variables say
  // all); several hosts and target_session_attrs work as libpq has them. A failure that the server
  // answered before it asked for a password is tried a second time at once, to learn its SQLSTATE.
  [[nodiscard]] static Result<Connection> open(const std::string& conninfo,
                                               const ConnectOptions& options = {});

  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  // Simple protocol: any number of statements, which are one transaction unless they say otherwise.
  [[nodiscard]] Result<void> execute(const std::string& sql);

  // Extended protocol: one statement, parameters and results in binary.
  [[nodiscard]] Result<Rows> query(const std::string& sql, const Params& params = {});
  // The same with results in text: each value is the text that its type's output function gives.
  [[nodiscard]] Result<Rows> query_text(const std::string& sql, const Params& params = {});

  // The server infers the parameters' types: cast each ($1::int8) to the type that will be sent.
  // Lost by reset().
  [[nodiscard]] Result<void> prepare(const std::string& name, const std::string& sql);
  [[nodiscard]] Result<Rows> query_prepared(const std::string& name, const Params& params = {});

  // What the server remarked since the last call, oldest first; the newest 100 are kept.
  [[nodiscard]] std::vector<Notice> notices();

  // What made the last call fail; nothing after one that succeeded.
  [[nodiscard]] const std::optional<SqlError>& last_error() const;
  [[nodiscard]] std::string_view last_sqlstate() const;  // may be empty

  [[nodiscard]] TransactionStatus transaction_status() const;
  // Looks at the socket and asks the server nothing, so a silent network failure goes unseen.
  [[nodiscard]] bool is_alive();
  [[nodiscard]] int server_version() const;  // 150020 for 15.20; 0 when not connected
  [[nodiscard]] int backend_pid() const;     // 0 when not connected

  // Asks the server to stop what this session is doing, which then fails with 57014. From any
  // thread, as long as the Connection is neither moved nor destroyed meanwhile.
  [[nodiscard]] Result<void> cancel();

  // Connects again with the same settings. A server that does not answer is `retry` here.
  [[nodiscard]] Result<void> reset();

  [[nodiscard]] Session& session() { return *session_; }

 private:
  explicit Connection(std::unique_ptr<Session> session);
  std::unique_ptr<Session> session_;
};

}  // namespace pgtally::pg
