// The libpq handle behind a Connection, and what every file of this folder needs of it.
//
// The only header that shows libpq; included by .cc files of src/postgres only. A Session stays
// where it is when its Connection moves, so that transactions and copies may point to it.
#pragma once

#include <libpq-fe.h>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "postgres/connection.h"

namespace pgtally::pg {

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ClearResult>;

// Refuses what cannot be sent: a zero byte in the text, too many parameters, one of them unfit.
[[nodiscard]] Result<void> check_statement(const std::string& text, const Params& params);

class Session {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Session>> open(const std::string& conninfo,
                                                             const ConnectOptions& options);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  [[nodiscard]] Result<void> reset();
  [[nodiscard]] Result<void> cancel();

  // Sends by the simple protocol and waits for nothing.
  [[nodiscard]] Result<void> send(const std::string& sql);
  // Reads until nothing is outstanding. The last result, or the first error. A COPY that somebody
  // started here is stopped, because nobody would feed it.
  [[nodiscard]] Result<ResultPtr> collect(const std::string& sql);
  // send and collect.
  [[nodiscard]] Result<ResultPtr> run(const std::string& sql);
  [[nodiscard]] Result<Rows> query(const std::string& sql, const Params& params, bool binary);
  [[nodiscard]] Result<Rows> query_prepared(const std::string& name, const Params& params);
  [[nodiscard]] Result<void> prepare(const std::string& name, const std::string& sql);
  // Puts one statement into libpq's buffer by the extended protocol. `prepared`: `text` is a name.
  [[nodiscard]] Result<void> send_extended(const std::string& text, const Params& params,
                                           bool prepared, bool binary);

  // Reads and drops whatever is outstanding; for clearing up after an error that is reported
  // already.
  void drain();

  // Ends the session at once, whatever it was doing; its open transaction is undone by the server.
  void sever();

  // Remember the error for last_error() and translate it.
  [[nodiscard]] Error fail(SqlError error);
  [[nodiscard]] Error fail(const PGresult* result, const std::string& sql);
  [[nodiscard]] Error fail_from_connection();

  void forget_last_error() { last_error_.reset(); }
  [[nodiscard]] const std::optional<SqlError>& last_error() const { return last_error_; }

  [[nodiscard]] std::vector<Notice> take_notices();
  // WARNINGs since the session was made; the last of them.
  [[nodiscard]] std::uint64_t warnings() const { return warnings_; }
  [[nodiscard]] const std::string& last_warning() const { return last_warning_; }

  [[nodiscard]] bool connected() const { return PQstatus(handle_) == CONNECTION_OK; }
  [[nodiscard]] bool look_alive();
  [[nodiscard]] PGconn* handle() const { return handle_; }
  // Counts the server sessions that this one has had.
  [[nodiscard]] std::uint64_t incarnation() const { return incarnation_; }

 private:
  explicit Session(PGconn* handle) : handle_(handle) {}
  static void on_notice(void* session, const PGresult* notice);
  void adopt_server_session();

  PGconn* handle_;
  std::uint64_t incarnation_ = 0;
  std::optional<SqlError> last_error_;
  std::deque<Notice> notices_;
  std::uint64_t warnings_ = 0;
  std::string last_warning_;

  std::mutex cancel_mutex_;  // guards cancel_, which other threads use
  PGcancel* cancel_ = nullptr;
};

}  // namespace pgtally::pg
