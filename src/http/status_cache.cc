#include "http/status_cache.h"

namespace pgtally::http {
namespace {

constexpr std::chrono::seconds kFresh{1};

Result<std::shared_ptr<const StatusSnapshot>> read_snapshot(const Ledger& ledger) {
  auto snapshot = std::make_shared<StatusSnapshot>();
  snapshot->origin = ledger.origin();
  snapshot->vkey = ledger.vkey();
  TRY(snapshot->status, read_status(ledger));
  TRY(const auto rows, ledger.query("SELECT DISTINCT ON (source_id) source_id, sha256(document) "
                                    "FROM pgtally.definition ORDER BY source_id, number DESC"));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto source, rows.get<std::int32_t>(r, 0));
    TRY(snapshot->documents[source], rows.get<Hash>(r, 1));
  }
  return std::shared_ptr<const StatusSnapshot>(std::move(snapshot));
}

}  // namespace

Result<std::shared_ptr<const StatusSnapshot>> StatusCache::read(const LogSessions& sessions,
                                                                const Ledger* ledger) {
  using Clock = std::chrono::steady_clock;
  const bool database_is_there = sessions.database_is_there();
  {
    const std::lock_guard lock(mutex_);
    if (snapshot_ && (!database_is_there || Clock::now() - read_at_ < kFresh)) return snapshot_;
  }
  if (ledger == nullptr) return retry("the status has to be read from the database");
  TRY(auto snapshot, read_snapshot(*ledger));
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(snapshot);
  read_at_ = Clock::now();
  return snapshot_;
}

}  // namespace pgtally::http
