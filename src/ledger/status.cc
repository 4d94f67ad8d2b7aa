#include "ledger/status.h"

#include <algorithm>

#include "ledger/cosignatures.h"

namespace pgtally {
namespace {

Result<void> add_lag(const Ledger& ledger, std::vector<SourceStatus>& sources) {
  // Rows that claim no time have waited since the last batch, at most.
  TRY(const auto rows, ledger.query(R"sql(
    SELECT source_id, sum(waiting_rows)::bigint,
           extract(epoch FROM clock_timestamp() - coalesce(
             min(oldest) FILTER (WHERE isfinite(oldest)),
             (SELECT sequenced_at FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1)))::float8
      FROM pgtally.waiting() WHERE waiting_rows > 0 OR oldest IS NOT NULL GROUP BY source_id)sql"));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto id, rows.get<std::int32_t>(r, 0));
    TRY(const auto waiting, rows.get<std::int64_t>(r, 1));
    TRY(const auto seconds, rows.get<double>(r, 2));
    for (SourceStatus& source : sources) {
      if (source.info.id != id) continue;
      source.lag_rows = static_cast<std::uint64_t>(waiting);
      source.lag_seconds = std::max(0.0, seconds);
      source.lag_is_counted = waiting > 0;
    }
  }
  return {};
}

// Nobody can say how much waits in a source that cannot be read, only since when.
void add_failures(std::vector<SourceStatus>& sources, Time now) {
  for (SourceStatus& source : sources) {
    if (!source.info.failure) continue;
    const auto failing_for = now.microseconds - source.info.failure->since.microseconds;
    source.failing_seconds = std::max(0.0, static_cast<double>(failing_for) / 1e6);
    source.lag_seconds = std::max(source.lag_seconds, source.failing_seconds);
  }
}

Result<LedgerStatus> read_all(const Ledger& ledger) {
  LedgerStatus status;
  TRY(const auto rows, ledger.query("SELECT next_id, clock_timestamp() FROM pgtally.log_head "
                                    "ORDER BY head_id DESC LIMIT 1"));
  TRY(const auto log_end, rows.get<LeafIndex>(0, 0));
  status.log_size = log_end.value;
  TRY(status.now, rows.get<Time>(0, 1));
  TRY(status.head, read_tree_head(ledger));
  TRY(status.checkpoint, newest_checkpoint(ledger));
  TRY(status.witnessed, newest_witnessed(ledger));
  TRY(status.sources, list_sources_with_lag(ledger));
  return status;
}

}  // namespace

Result<std::vector<SourceStatus>> list_sources_with_lag(const Ledger& ledger, bool removed) {
  TRY(auto infos, list_sources(ledger, removed));
  std::vector<SourceStatus> sources;
  for (SourceInfo& info : infos) sources.push_back({std::move(info), 0, 0});
  TRY_VOID(add_lag(ledger, sources));
  TRY(const auto rows, ledger.query("SELECT clock_timestamp()"));
  TRY(const Time now, rows.get<Time>(0, 0));
  add_failures(sources, now);
  return sources;
}

Result<LedgerStatus> read_status(const Ledger& ledger) {
  TRY_VOID(ledger.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  auto status = read_all(ledger);
  TRY_VOID(ledger.execute("ROLLBACK"));
  return status;
}

}  // namespace pgtally
