#include "capture/remote_sweep.h"

#include <fmt/format.h>

#include <algorithm>

#include "capture/remote_progress.h"

namespace pgtally {
namespace {

struct Window {
  std::int64_t sweep_id = 0;
  std::int64_t scanned = 0;
  std::vector<std::string> cursor;  // empty: at the beginning
  bool first = false;               // of the source's first sweep
};

Result<Window> next_window(const Ledger& ledger, std::int32_t source_id) {
  TRY([[maybe_unused]] const auto begun,
      ledger.query("INSERT INTO pgtally.sweep (source_id) SELECT $1::int4 "
                   "WHERE NOT EXISTS (SELECT FROM pgtally.sweep AS w WHERE w.source_id = $1::int4 "
                   "AND w.finished_at IS NULL) ON CONFLICT DO NOTHING",
                   pg::Params().int4(source_id)));
  TRY(const auto rows, ledger.query(R"sql(
    SELECT sweep_id, scanned, cursor_key, NOT EXISTS (
             SELECT FROM pgtally.sweep AS w
              WHERE w.source_id = $1::int4 AND w.finished_at IS NOT NULL)
      FROM pgtally.sweep WHERE source_id = $1::int4 AND finished_at IS NULL)sql",
                                    pg::Params().int4(source_id)));
  if (rows.empty()) return retry("a sweep that was begun has ended at once");
  Window window;
  TRY(window.sweep_id, rows.get<std::int64_t>(0, 0));
  TRY(window.scanned, rows.get<std::int64_t>(0, 1));
  if (!rows.is_null(0, 2)) {
    TRY(window.cursor, rows.get<std::vector<std::string>>(0, 2));
  }
  TRY(window.first, rows.get<bool>(0, 3));
  return window;
}

Result<std::string> window_query(const RemoteTable& table, const Window& window,
                                 const std::string& columns) {
  std::string beyond = "true";
  if (!window.cursor.empty()) {
    TRY(beyond, table.beyond(window.cursor));
  }
  return fmt::format("SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT {}", columns, table.from(),
                     beyond, table.order(), kRemotePage);
}

// The places of the rows that no reader is going to take and that are not recorded.
Result<std::vector<std::int64_t>> late_rows(const Ledger& ledger, std::int32_t source_id,
                                            const RemotePage& page) {
  std::vector<std::string> positions;
  for (const StagedRow& row : page.rows) positions.push_back(row.source_position);
  TRY(const auto rows,
      ledger.query(
          "SELECT pgtally.late_rows($1::int4, $2::bytea[], $3::text[])",
          pg::Params().int4(source_id).bytea_array(keys_of(page.rows)).text_array(positions)));
  return rows.get<std::vector<std::int64_t>>(0, 0);
}

// False if somebody else has done the window.
Result<bool> move_on(const Ledger& ledger, const Window& window, const RemotePage& page,
                     std::size_t scanned, std::size_t found) {
  pg::Params params;
  params.int8(window.sweep_id).int8(window.scanned);
  page.last_key.empty() ? params.null() : params.text_array(page.last_key);
  params.int8(static_cast<std::int64_t>(scanned))
      .int8(static_cast<std::int64_t>(found))
      .boolean(!page.full);
  TRY(const auto rows, ledger.query(R"sql(
    UPDATE pgtally.sweep
       SET cursor_key = coalesce($3::text[], cursor_key), scanned = scanned + $4::int8,
           found = found + $5::int8, finished_at = CASE WHEN $6::bool THEN clock_timestamp() END
     WHERE sweep_id = $1::int8 AND scanned = $2::int8 AND finished_at IS NULL)sql",
                                    params));
  return rows.affected() > 0;
}

}  // namespace

Result<std::vector<SweepTarget>> remote_sweep_targets(const Ledger& ledger) {
  TRY(const auto rows,
      ledger.query("SELECT source_id, name, mode = 'xid' OR sweeps_only, sweeps_only "
                   "FROM pgtally.source WHERE state = 'active' AND endpoint_id IS NOT NULL "
                   "AND mode IN ('xid', 'poll') ORDER BY source_id"));
  std::vector<SweepTarget> targets;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    SweepTarget& target = targets.emplace_back();
    TRY(target.source_id, rows.get<std::int32_t>(r, 0));
    TRY(target.name, rows.get<std::string>(r, 1));
    TRY(target.first, rows.get<bool>(r, 2));
    TRY(target.finds_new_rows, rows.get<bool>(r, 3));
    target.remote = true;
    TRY(const SweepState state, sweep_state(ledger, target.source_id));
    target.first = target.first && state.first;
    target.age_seconds = state.age_seconds;
  }
  return targets;
}

Result<SweepState> sweep_state(const Ledger& ledger, std::int32_t source_id) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT count(*) > count(finished_at), count(finished_at) = 0,
           extract(epoch FROM clock_timestamp() - coalesce(max(finished_at), (
             SELECT created_at FROM pgtally.source WHERE source_id = $1::int4)))::float8,
           coalesce(extract(epoch FROM max(finished_at) - max(started_at)
                    FILTER (WHERE finished_at IS NOT NULL)), 0)::float8
      FROM pgtally.sweep WHERE source_id = $1::int4)sql",
                                    pg::Params().int4(source_id)));
  SweepState state;
  TRY(state.running, rows.get<bool>(0, 0));
  TRY(state.first, rows.get<bool>(0, 1));
  TRY(state.age_seconds, rows.get<double>(0, 2));
  TRY(state.took_seconds, rows.get<double>(0, 3));
  return state;
}

Result<SweepProgress> sweep_remote_window(const Ledger& ledger, RemoteTable& table) {
  const std::int32_t id = table.source().id;
  TRY(const Window window, next_window(ledger, id));
  TRY(const auto keys_query, window_query(table, window, table.key_columns()));
  TRY(const auto rows_query, window_query(table, window, table.columns()));

  // Keys alone first, because usually all of them are recorded; but at the first sweep none is.
  RemotePage page;
  bool has_content = window.first;
  if (!has_content) {
    TRY(page, table.read(keys_query, true));
    TRY(const auto late, late_rows(ledger, id, page));
    has_content = !late.empty();
  }
  if (has_content) {
    TRY(page, table.read(rows_query));
    TRY_VOID(make_durable_if_allowed(table.connection()));
  }
  SweepProgress progress;
  bool moved = false;
  const auto work = [&]() -> Result<void> {
    // What is recorded can only have become more since the rows were read, and what the reader leaves
    // to sweeps it has had the chance to take.
    const std::size_t scanned = page.rows.size();
    std::vector<std::int64_t> late;
    if (has_content) {
      TRY(late, late_rows(ledger, id, page));
    }
    TRY(moved, move_on(ledger, window, page, scanned, late.size()));
    if (!moved) return {};
    keep(page.rows, late);
    progress = {.done = !page.full, .scanned = scanned, .found = late.size()};
    return stage(ledger, page.rows);
  };
  TRY([[maybe_unused]] const bool stored, store(ledger, id, {}, work));
  return progress;
}

}  // namespace pgtally
