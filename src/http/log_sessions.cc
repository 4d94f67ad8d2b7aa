#include "http/log_sessions.h"

#include <random>

#include "service/log.h"

namespace pgtally::http {
namespace {

using Clock = std::chrono::steady_clock;

// A statement that takes longer is stopped: somebody waits for the answer, and a worker with it.
constexpr const char* kStatementTimeout = "SET statement_timeout = '20s'";

std::function<double()> random_numbers() {
  std::random_device seed;
  return [engine = std::mt19937_64(seed())]() mutable {
    return std::uniform_real_distribution<double>(0, 1)(engine);
  };
}

}  // namespace

LogSessions::LogSessions(std::string conninfo, std::string schema, std::size_t workers)
    : conninfo_(std::move(conninfo)),
      schema_(std::move(schema)),
      sessions_(workers),
      backoff_({std::chrono::milliseconds(100), std::chrono::milliseconds(5000)},
               random_numbers()) {}

Result<void> LogSessions::open(Session& session) const {
  session.ledger.reset();
  session.connection.reset();
  pg::ConnectOptions options;
  options.application_name = "pgtally serve";
  options.connect_timeout = std::chrono::seconds(5);
  TRY(auto connection, pg::Connection::open(conninfo_, options));
  session.connection = std::move(connection);
  TRY(auto ledger, Ledger::open(*session.connection, schema_));
  TRY_VOID(session.connection->execute(kStatementTimeout));
  session.ledger = std::move(ledger);
  return {};
}

Result<const Ledger*> LogSessions::of(std::size_t worker) {
  Session& session = sessions_[worker];
  if (session.ledger && session.connection->is_alive()) {
    // Whatever the last request left open is undone.
    if (session.connection->transaction_status() == pg::TransactionStatus::kIdle ||
        session.connection->execute("ROLLBACK").ok()) {
      return &*session.ledger;
    }
  }
  {
    const std::lock_guard lock(mutex_);
    if (away_ && Clock::now() < next_attempt_) return *away_;
  }
  const Result<void> opened = open(session);
  const std::lock_guard lock(mutex_);
  if (opened.ok()) {
    away_.reset();
    backoff_.reset();
    return &*session.ledger;
  }
  if (!away_) log(LogLevel::kWarning, "the database cannot be used at present", opened.error());
  // The reason is for whoever runs the service; clients are told to come back.
  away_ = retry("the database cannot be reached at present");
  next_attempt_ = Clock::now() + backoff_.next_delay();
  return *away_;
}

bool LogSessions::database_is_there() const {
  const std::lock_guard lock(mutex_);
  return !away_;
}

}  // namespace pgtally::http
