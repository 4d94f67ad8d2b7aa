// The ledger's status, read no more than once a second however many ask for it: counting what waits
// can be work for the database. While that is away, what was read last is given.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "http/log_sessions.h"
#include "ledger/status.h"
#include "pgtally/result.h"

namespace pgtally::http {

struct StatusSnapshot {
  std::string origin;
  std::string vkey;
  LedgerStatus status;
  std::map<std::int32_t, Hash> documents;  // of each source, the hash of its newest definition
};

class StatusCache {
 public:
  // kRetry if it has to be read and `ledger` is null.
  [[nodiscard]] Result<std::shared_ptr<const StatusSnapshot>> read(const LogSessions& sessions,
                                                                   const Ledger* ledger);

 private:
  std::mutex mutex_;
  std::shared_ptr<const StatusSnapshot> snapshot_;
  std::chrono::steady_clock::time_point read_at_{};
};

}  // namespace pgtally::http
