#include "postgres/connection.h"

#include "postgres/session.h"

namespace pgtally::pg {

Connection::Connection(std::unique_ptr<Session> session) : session_(std::move(session)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Result<Connection> Connection::open(const std::string& conninfo, const ConnectOptions& options) {
  TRY(auto session, Session::open(conninfo, options));
  return Connection(std::move(session));
}

Result<void> Connection::execute(const std::string& sql) {
  TRY_VOID(session_->run(sql));
  return {};
}

Result<Rows> Connection::query(const std::string& sql, const Params& params) {
  return session_->query(sql, params, true);
}

Result<Rows> Connection::query_text(const std::string& sql, const Params& params) {
  return session_->query(sql, params, false);
}

Result<void> Connection::prepare(const std::string& name, const std::string& sql) {
  return session_->prepare(name, sql);
}

Result<Rows> Connection::query_prepared(const std::string& name, const Params& params) {
  return session_->query_prepared(name, params);
}

std::vector<Notice> Connection::notices() {
  return session_->take_notices();
}

const std::optional<SqlError>& Connection::last_error() const {
  return session_->last_error();
}

std::string_view Connection::last_sqlstate() const {
  const auto& error = session_->last_error();
  return error ? std::string_view(error->sqlstate) : std::string_view();
}

TransactionStatus Connection::transaction_status() const {
  switch (PQtransactionStatus(session_->handle())) {
    case PQTRANS_IDLE:
      return TransactionStatus::kIdle;
    case PQTRANS_ACTIVE:
      return TransactionStatus::kActive;
    case PQTRANS_INTRANS:
      return TransactionStatus::kInTransaction;
    case PQTRANS_INERROR:
      return TransactionStatus::kInError;
    case PQTRANS_UNKNOWN:
      break;
  }
  return TransactionStatus::kUnknown;
}

bool Connection::is_alive() {
  return session_->look_alive();
}
int Connection::server_version() const {
  return PQserverVersion(session_->handle());
}
int Connection::backend_pid() const {
  return PQbackendPID(session_->handle());
}
Result<void> Connection::cancel() {
  return session_->cancel();
}
Result<void> Connection::reset() {
  return session_->reset();
}

}  // namespace pgtally::pg
