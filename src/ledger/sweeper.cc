#include "ledger/sweeper.h"

#include <algorithm>

#include "ledger/table_lock.h"
#include "postgres/transaction.h"

namespace pgtally {

bool is_due(const SweepTarget& target, const SweepSchedule& schedule) {
  if (target.first) return true;
  const auto interval = target.finds_new_rows ? schedule.finding : schedule.late;
  const auto seconds = static_cast<double>(interval.count());
  if (interval.count() == 0) return false;
  return target.age_seconds >=
         (target.finds_new_rows ? seconds : std::max(seconds, 10 * target.took_seconds));
}

Result<std::vector<SweepTarget>> sweep_targets(const Ledger& ledger) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT s.source_id, s.name, w.last IS NULL AND (s.mode <> 'poll' OR NOT s.has_feed)
             OR EXISTS (SELECT FROM pgtally.sweep AS w
                         WHERE w.source_id = s.source_id AND finished_at IS NULL),
           s.mode = 'poll' AND NOT s.has_feed,
           extract(epoch FROM clock_timestamp() - coalesce(w.last, s.created_at))::float8,
           coalesce(extract(epoch FROM w.last - w.started_at), 0)::float8
      FROM pgtally.source AS s
      LEFT JOIN LATERAL (SELECT finished_at AS last, started_at FROM pgtally.sweep AS w
                          WHERE w.source_id = s.source_id AND finished_at IS NOT NULL
                          ORDER BY sweep_id DESC LIMIT 1) AS w ON true
     WHERE s.state = 'active' AND s.mode IN ('xid', 'poll', 'trigger') AND s.endpoint_id IS NULL
       AND NOT EXISTS (SELECT FROM pgtally.failure AS f
                        WHERE f.source_id = s.source_id
                          AND (s.has_feed OR f.retry_at > clock_timestamp()))
     ORDER BY s.source_id)sql"));
  std::vector<SweepTarget> targets;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    SweepTarget target;
    TRY(target.source_id, rows.get<std::int32_t>(r, 0));
    TRY(target.name, rows.get<std::string>(r, 1));
    TRY(target.first, rows.get<bool>(r, 2));
    TRY(target.finds_new_rows, rows.get<bool>(r, 3));
    TRY(target.age_seconds, rows.get<double>(r, 4));
    TRY(target.took_seconds, rows.get<double>(r, 5));
    targets.push_back(std::move(target));
  }
  return targets;
}

Result<SweepProgress> sweep_window(const Ledger& ledger, std::int32_t source_id) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  TRY_VOID(ledger.execute("SELECT pgtally.lock_ledger()"));
  auto stepped =
      ledger.query("SELECT done, scanned, staged FROM pgtally.sweep_step($1::int4, $2::int4)",
                   pg::Params().int4(source_id).int4(kSweepWindow));
  if (!stepped.ok()) return table_locked(ledger).value_or(std::move(stepped).error());
  const pg::Rows& rows = *stepped;
  SweepProgress progress;
  TRY(progress.done, rows.get<bool>(0, 0));
  TRY(const auto scanned, rows.get<std::int64_t>(0, 1));
  TRY(const auto found, rows.get<std::int64_t>(0, 2));
  progress.scanned = static_cast<std::uint64_t>(scanned);
  progress.found = static_cast<std::uint64_t>(found);
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return progress;
  return retry("a sweep's window was not committed: " + result.reason);
}

}  // namespace pgtally
