#include "audit/side_sessions.h"

#include <algorithm>
#include <utility>

#include "ledger/session_settings.h"
#include "postgres/further_session.h"

namespace pgtally {
namespace {

constexpr const char* kBegin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr std::size_t kMost = 2;

Result<pg::Connection> open(const std::string& conninfo, const std::string& snapshot) {
  TRY(auto session, pg::Connection::open(conninfo));
  TRY_VOID(prepare_session(session));
  TRY_VOID(session.execute(kBegin));
  TRY_VOID(session.execute("SET TRANSACTION SNAPSHOT '" + snapshot + "'"));
  // Whoever waits for a lock that the main session holds already, with another's request in between,
  // would wait for the audit itself.
  TRY_VOID(session.execute("SET LOCAL lock_timeout = '200ms'"));
  return session;
}

}  // namespace

Result<SideSessions> SideSessions::begin(pg::Connection& main) {
  TRY_VOID(main.execute(kBegin));
  SideSessions sides;
  sides.conninfo_ = pg::conninfo_of(main);
  sides.sessions_.reserve(kMost);  // pointers to them are given away
  const auto exported = main.query("SELECT pg_export_snapshot()");
  if (exported.ok()) {
    TRY(sides.snapshot_, exported->get<std::string>(0, 0));
  } else {
    TRY_VOID(main.execute("ROLLBACK"));
    TRY_VOID(main.execute(kBegin));
  }
  return sides;
}

void SideSessions::open_ahead() {
  while (!snapshot_.empty() && sessions_.size() + ahead_.size() < kMost) {
    ahead_.push_back(std::async(std::launch::async, open, conninfo_, snapshot_));
  }
}

std::vector<pg::Connection*> SideSessions::readers_of(const std::string& relation,
                                                      std::size_t count) {
  std::vector<pg::Connection*> readers;
  if (snapshot_.empty()) return readers;
  for (std::size_t i = 0; i < std::min(count, kMost); ++i) {
    if (i == sessions_.size()) {
      const bool is_coming = !ahead_.empty();
      auto session = is_coming ? ahead_.front().get() : open(conninfo_, snapshot_);
      if (is_coming) ahead_.erase(ahead_.begin());
      if (!session.ok()) break;
      sessions_.push_back(std::move(*session));
    }
    pg::Connection& session = sessions_[i];
    if (session.transaction_status() == pg::TransactionStatus::kInError) {
      (void)session.execute("ROLLBACK TO lock");
    }
    if (!session.execute("SAVEPOINT lock").ok()) break;
    if (!session.execute("SELECT FROM " + relation + " LIMIT 0").ok()) {
      (void)session.execute("ROLLBACK TO lock");
      break;
    }
    readers.push_back(&session);
  }
  return readers;
}

}  // namespace pgtally
