// A session with the ledger's database for each worker, opened when it is first needed.
//
// When one cannot be opened or was lost, all of them wait a while (pg::Backoff, at most five seconds)
// before anybody tries again, so that requests fail at once instead of each waiting for a server that
// is not there.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "postgres/reconnect.h"

namespace pgtally::http {

class LogSessions {
 public:
  LogSessions(std::string conninfo, std::string schema, std::size_t workers);

  // The ledger of this worker, for its thread only. kRetry while the database is away.
  [[nodiscard]] Result<const Ledger*> of(std::size_t worker);

  // Whether the last attempt to connect succeeded, and none of the sessions was lost since. Any thread.
  [[nodiscard]] bool database_is_there() const;

 private:
  struct Session {
    std::optional<pg::Connection> connection;
    std::optional<Ledger> ledger;
  };

  [[nodiscard]] Result<void> open(Session& session) const;

  const std::string conninfo_;
  const std::string schema_;
  std::vector<Session> sessions_;

  mutable std::mutex mutex_;  // guards what is below
  pg::Backoff backoff_;
  std::chrono::steady_clock::time_point next_attempt_{};
  std::optional<Error> away_;  // why
};

}  // namespace pgtally::http
