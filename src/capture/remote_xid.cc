#include "capture/remote_xid.h"

#include <fmt/format.h>

#include "postgres/quote.h"

namespace pgtally {
namespace {

// The three ranges of staged() in sql/functions/rounds.sql.
Result<std::string> round_query(const RemoteTable& table, const RemoteProgress& progress,
                                const std::string& upto) {
  TRY(const auto since, pg::quote_literal(progress.since));
  TRY(const auto until, pg::quote_literal(upto));
  TRY(const auto here, pg::quote_literal(progress.cursor_xid.value_or("0")));
  std::string rest;
  if (progress.cursor_xid) {
    TRY(const auto beyond, table.beyond(progress.cursor_key));
    rest = fmt::format(
        "(SELECT {} FROM {} WHERE t.xid = {}::xid8 AND {} ORDER BY {} LIMIT {}) UNION ALL ",
        table.columns(), table.from(), here, beyond, table.order(), kRemotePage);
  }
  return fmt::format(
      R"sql(SELECT * FROM ({rest}
        (SELECT w.* FROM pg_snapshot_xip({since}::pg_snapshot) AS open(xid)
          CROSS JOIN LATERAL (
            SELECT {columns} FROM {from} WHERE t.xid = open.xid ORDER BY {order} LIMIT {most}) AS w
          WHERE open.xid > {here}::xid8 AND pg_visible_in_snapshot(open.xid, {until}::pg_snapshot)
          ORDER BY w.x, {keys} LIMIT {most})
        UNION ALL
        (SELECT {columns} FROM {from}
          WHERE t.xid >= pg_snapshot_xmax({since}::pg_snapshot) AND t.xid > {here}::xid8
            AND t.xid < pg_snapshot_xmax({until}::pg_snapshot)
            AND pg_visible_in_snapshot(t.xid, {until}::pg_snapshot)
          ORDER BY t.xid, {order} LIMIT {most})) AS w
      ORDER BY x, {keys} LIMIT {most})sql",
      fmt::arg("rest", rest), fmt::arg("since", since), fmt::arg("until", until),
      fmt::arg("here", here), fmt::arg("columns", table.columns()), fmt::arg("from", table.from()),
      fmt::arg("order", table.order()), fmt::arg("keys", table.key_names()),
      fmt::arg("most", kRemotePage));
}

// `cursor_xid` is null where the round has ended: then `upto` is where the next one begins.
Result<void> write_progress(const Ledger& ledger, std::int32_t source_id, const std::string& since,
                            const std::optional<std::string>& upto,
                            const std::optional<std::string>& cursor_xid,
                            const std::vector<std::string>& cursor_key,
                            const DurableSnapshot& server) {
  pg::Params params;
  params.int4(source_id).text(since).text_or_null(upto).text_or_null(cursor_xid);
  cursor_xid ? params.text_array(cursor_key) : params.null();
  params.text(server.history).text(server.lsn);
  TRY([[maybe_unused]] const auto rows, ledger.query(R"sql(
    INSERT INTO pgtally.capture (feed, since, upto, cursor_xid, cursor_key, server, server_lsn,
                                 foreign_xmax)
    SELECT $1::int4, $2::text::pg_snapshot, $3::text::pg_snapshot, $4::text::xid8, $5::text[],
           $6::text, $7::text::pg_lsn,
           CASE WHEN p.foreign_xmax >= pg_snapshot_xmin($2::text::pg_snapshot) THEN p.foreign_xmax END
      FROM pgtally.progress_of($1::int4) AS p)sql",
                                                     params));
  return {};
}

// What the round took is in the log already if another cluster's transaction ids are mixed with this
// one's.
Result<void> drop_recorded(const Ledger& ledger, std::int32_t source_id,
                           std::vector<StagedRow>& rows) {
  TRY(const auto found, ledger.query("SELECT pgtally.unrecorded($1::int4, $2::bytea[])",
                                     pg::Params().int4(source_id).bytea_array(keys_of(rows))));
  TRY(const auto places, found.get<std::vector<std::int64_t>>(0, 0));
  keep(rows, places);
  return {};
}

}  // namespace

Result<CaptureMode::Beginning> begin_remote_rounds(pg::Connection& there, bool skip_existing) {
  TRY(const auto rows, there.query("SELECT pg_is_in_recovery()"));
  TRY(const bool standby, rows.get<bool>(0, 0));
  if (standby) return no_rounds_on_standby("that --database leads to");
  TRY(const DurableSnapshot now, take_durable_snapshot(there));
  TRY(const auto since, pg::quote_literal(now.snapshot));
  TRY(const auto history, pg::quote_literal(now.history));
  TRY(const auto lsn, pg::quote_literal(now.lsn));
  return CaptureMode::Beginning([=](const SourceText& source) {
    std::string script = fmt::format(
        "INSERT INTO {}.capture (feed, since, server, server_lsn) VALUES ({}, {}, {}, "
        "{});\n",
        source.schema, source.id, since, history, lsn);
    if (skip_existing) {
      script += fmt::format("INSERT INTO {}.skipped (source_id, baseline) VALUES ({}, {});\n",
                            source.schema, source.id, since);
    }
    return script;
  });
}

Result<void> settle_rounds(const Ledger& ledger, RemoteTable& table) {
  const std::int32_t id = table.source().id;
  TRY(const RemoteProgress progress, read_progress(ledger, id));
  const std::string newest = progress.upto.value_or(progress.since);
  TRY(const auto known,
      table.connection().query(
          std::string("SELECT coalesce(") + kServerHistory +
              " = $1 AND pg_current_wal_insert_lsn() >= $2::text::pg_lsn AND "
              "pg_snapshot_xmax(pg_current_snapshot()) >= "
              "pg_snapshot_xmax(nullif($3::text, '')::pg_snapshot), false)",
          pg::Params().text(progress.server).text(progress.server_lsn).text(newest)));
  TRY(const bool as_known, known.get<bool>(0, 0));
  if (as_known) return {};

  TRY(const DurableSnapshot now, take_durable_snapshot(table.connection()));
  TRY(const auto since, pg::quote_literal(now.snapshot));
  // Rows that carry the ids of another cluster, which this one has not given out yet.
  TRY(const auto foreign,
      table.connection().query(fmt::format("SELECT t.xid::text FROM {} WHERE t.xid >= "
                                           "pg_snapshot_xmin({}::pg_snapshot) ORDER BY t.xid DESC "
                                           "LIMIT 1",
                                           table.from(), since)));
  std::optional<std::string> highest;
  if (!foreign.empty()) {
    TRY(highest, foreign.get<std::string>(0, 0));
  }
  const auto work = [&]() -> Result<void> {
    TRY([[maybe_unused]] const auto rows, ledger.query(R"sql(
      INSERT INTO pgtally.capture (feed, since, server, server_lsn, foreign_xmax)
      VALUES ($1::int4, $2::text::pg_snapshot, $3::text, $4::text::pg_lsn, $5::text::xid8))sql",
                                                       pg::Params()
                                                           .int4(id)
                                                           .text(now.snapshot)
                                                           .text(now.history)
                                                           .text(now.lsn)
                                                           .text_or_null(highest)));
    // Which rows were there when the source was added can no longer be told. Better one recorded that
    // was to be skipped than one missing.
    TRY([[maybe_unused]] const auto unskipped,
        ledger.query("DELETE FROM pgtally.skipped WHERE source_id = $1", pg::Params().int4(id)));
    TRY([[maybe_unused]] const auto begun,
        ledger.query("SELECT pgtally.sweep_anew($1::int4)", pg::Params().int4(id)));
    return {};
  };
  TRY([[maybe_unused]] const bool stored, store(ledger, id, progress.id, work));
  return {};
}

Result<ReaderStep> read_round(const Ledger& ledger, RemoteTable& table) {
  const std::int32_t id = table.source().id;
  TRY(const RemoteProgress progress, read_progress(ledger, id));
  DurableSnapshot server{.snapshot = {}, .history = progress.server, .lsn = progress.server_lsn};
  if (progress.upto) {
    server.snapshot = *progress.upto;
  } else {
    TRY(const auto rows, table.connection().query("SELECT pg_current_snapshot()::text"));
    TRY(server.snapshot, rows.get<std::string>(0, 0));
    if (server.snapshot == progress.since) return ReaderStep{};
  }
  TRY(const auto query, round_query(table, progress, server.snapshot));
  TRY(RemotePage page, table.read(query));
  if (page.rows.empty() && !progress.upto) return ReaderStep{};
  if (!progress.upto) {
    TRY(server.lsn, make_durable(table.connection()));
  }

  std::optional<std::string> last_xid;
  std::optional<RemoteTable::Waiting> waiting;
  if (page.full) {
    last_xid = page.rows.back().source_position;
    TRY(const auto beyond, table.beyond(*last_xid, page.last_key));
    TRY(waiting, table.count_waiting(beyond));
  } else {
    waiting.emplace();
  }
  // A round that was open before this step does not say what came after it.
  ReaderStep step{.staged = 0, .may_have_more = page.full || progress.upto};
  const auto work = [&]() -> Result<void> {
    if (progress.has_foreign) TRY_VOID(drop_recorded(ledger, id, page.rows));
    TRY_VOID(stage(ledger, page.rows));
    step.staged = page.rows.size();
    if (waiting) TRY_VOID(note_reading(ledger, id, waiting->rows, waiting->oldest));
    if (!page.full) return write_progress(ledger, id, server.snapshot, {}, {}, {}, server);
    return write_progress(ledger, id, progress.since, server.snapshot, last_xid, page.last_key,
                          server);
  };
  TRY(const bool stored, store(ledger, id, progress.id, work));
  return stored ? step : ReaderStep{};
}

}  // namespace pgtally
