#include "capture/remote_poll.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "postgres/quote.h"

namespace pgtally {
namespace {

// Who could still fill a hole, as the server shows it.
struct Writers {
  std::string history;
  bool standby = false;
  std::vector<std::string> running;
  std::vector<std::string> prepared;
};

// The virtual transactions of this database; those of sessions that cannot be told apart count, too.
constexpr const char* kRunning = R"sql(
  ARRAY(SELECT l.virtualtransaction FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a USING (pid)
         WHERE l.locktype = 'virtualxid'
           AND (a.datid IS NULL OR
                a.datid = (SELECT oid FROM pg_database WHERE datname = current_database()))))sql";

Result<Writers> running_writers(pg::Connection& connection) {
  TRY(const auto rows, connection.query(fmt::format("SELECT {}, pg_is_in_recovery(), {}",
                                                    kServerHistory, kRunning)));
  Writers writers;
  TRY(writers.history, rows.get<std::string>(0, 0));
  TRY(writers.standby, rows.get<bool>(0, 1));
  TRY(writers.running, rows.get<std::vector<std::string>>(0, 2));
  // A standby shows its own transactions, none of which writes. Nothing that it shows ever ends.
  if (writers.standby) writers.running = {"unknown"};
  return writers;
}

// In a later statement than the running ones, or a transaction could slip from one to the other
// between the two looks.
Result<void> add_prepared(pg::Connection& connection, Writers& writers) {
  TRY(const auto rows, connection.query("SELECT ARRAY(SELECT gid FROM pg_prepared_xacts "
                                        "WHERE database = current_database())"));
  TRY(writers.prepared, rows.get<std::vector<std::string>>(0, 0));
  return {};
}

struct Holes {
  std::vector<std::int64_t> barriers;
  std::string ranges = "{}";  // all of theirs, as an int8multirange
};

Result<Holes> probed_holes(const Ledger& ledger, std::int32_t source_id) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT coalesce(array_agg(DISTINCT h.barrier_id), '{}'),
           coalesce(range_agg(r.keys), '{}')::text
      FROM pgtally.probed_holes($1::int4) AS h, unnest(h.ranges) AS r(keys))sql",
                                    pg::Params().int4(source_id)));
  Holes holes;
  TRY(holes.barriers, rows.get<std::vector<std::int64_t>>(0, 0));
  TRY(holes.ranges, rows.get<std::string>(0, 1));
  return holes;
}

Result<std::string> page_query(const RemoteTable& table, const Holes& holes,
                               std::optional<std::int64_t> high) {
  TRY(const auto ranges, pg::quote_literal(holes.ranges));
  const std::string above = high ? fmt::format("{} > '{}'::bigint", table.order(), *high) : "true";
  return fmt::format(
      R"sql(SELECT * FROM (
        (SELECT w.* FROM unnest({ranges}::int8multirange) AS skipped(keys) CROSS JOIN LATERAL (
           SELECT {columns} FROM {from}
            WHERE {key} >= coalesce(lower(skipped.keys), '-9223372036854775808'::bigint)
              AND {key} < upper(skipped.keys)
            ORDER BY {key} LIMIT {most}) AS w
          ORDER BY w.c1 LIMIT {most})
        UNION ALL
        (SELECT {columns} FROM {from} WHERE {above} ORDER BY {key} LIMIT {most})) AS w
      ORDER BY c1 LIMIT {most})sql",
      fmt::arg("ranges", ranges), fmt::arg("columns", table.columns()),
      fmt::arg("from", table.from()), fmt::arg("key", table.order()), fmt::arg("above", above),
      fmt::arg("most", kRemotePage));
}

// The keys of a page, which ascend, as an int8multirange. The highest of all keys has no place in a
// range that ends before its end; a hole cannot have it either.
struct PageKeys {
  std::string ranges = "{";
  std::optional<std::int64_t> top;
};

Result<PageKeys> keys_of_page(const RemotePage& page) {
  PageKeys keys;
  std::optional<std::int64_t> first;
  const auto close = [&] {
    if (!first) return;
    keys.ranges += fmt::format("{}[{},{}]", keys.ranges.size() > 1 ? "," : "", *first, *keys.top);
    first.reset();
  };
  for (const StagedRow& row : page.rows) {
    std::int64_t key = 0;
    const std::string& text = row.source_position;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), key);
    if (error != std::errc{} || end != text.data() + text.size()) {
      return operator_error("the key " + text + " is no integer");
    }
    if (first && key != *keys.top + 1) close();
    if (key == std::numeric_limits<std::int64_t>::max()) {
      close();
    } else if (!first) {
      first = key;
    }
    keys.top = key;
  }
  close();
  keys.ranges += "}";
  return keys;
}

Result<void> note_waiting(const Ledger& ledger, RemoteTable& table, const RemotePage& page) {
  const std::int32_t id = table.source().id;
  if (!page.full) return note_reading(ledger, id, 0, {});
  TRY(const auto beyond, table.beyond(page.last_key));
  TRY(const auto waiting, table.count_waiting(beyond));
  if (!waiting) return {};
  return note_reading(ledger, id, waiting->rows, waiting->oldest);
}

// The holes that may be given up now: their barriers have settled, and the page looked into them.
Result<std::vector<std::int64_t>> closed_holes(const Ledger& ledger, std::int32_t source_id,
                                               const Writers& writers, const Holes& holes,
                                               bool page_full) {
  std::vector<std::int64_t> closed;
  TRY(const auto rows,
      ledger.query("SELECT pgtally.move_barriers($1::int4, $2::text, $3::text[], $4::text[])",
                   pg::Params()
                       .int4(source_id)
                       .text(writers.history)
                       .text_array(writers.running)
                       .text_array(writers.prepared)));
  TRY(const auto settled, rows.get<std::vector<std::int64_t>>(0, 0));
  if (page_full) return closed;
  for (const std::int64_t barrier : holes.barriers) {
    if (std::find(settled.begin(), settled.end(), barrier) != settled.end()) {
      closed.push_back(barrier);
    }
  }
  return closed;
}

}  // namespace

Result<CaptureMode::Beginning> skip_remote_keys(pg::Connection& there, const SourceText& source) {
  TRY(const auto rows, there.query(fmt::format(
                           R"sql(
    WITH k AS (
      SELECT high, greatest(high::numeric - 10000, -9223372036854775808)::bigint AS low
        FROM (SELECT max({key})::bigint AS high FROM {table}) AS m)
    SELECT k.high, (int8multirange(int8range(k.low, k.high)) - coalesce(
             (SELECT range_agg(int8range({key}, {key}, '[]')) FROM {table}
               WHERE {key} >= k.low AND {key} < k.high), '{{}}'))::text FROM k)sql",
                           fmt::arg("key", source.first_key), fmt::arg("table", source.table))));
  TRY(const auto high, rows.get<std::optional<std::int64_t>>(0, 0));
  if (!high) return CaptureMode::Beginning([](const SourceText&) { return std::string(); });
  TRY(const auto gaps_text, rows.get<std::string>(0, 1));
  TRY(const auto gaps, pg::quote_literal(gaps_text));
  TRY(const Writers writers, running_writers(there));
  TRY(const auto history, pg::quote_literal(writers.history));
  TRY(const auto running,
      pg::quote_literal(fmt::format("{{{}}}", fmt::join(writers.running, ","))));
  return CaptureMode::Beginning([=](const SourceText& added) {
    return fmt::format(R"sql(INSERT INTO {s}.skipped (source_id, high) VALUES ({id}, {high});
INSERT INTO {s}.capture (feed, high, server) VALUES ({id}, {high}, {history});
SELECT {s}.put_holes({id}, {gaps}, {running}, {id}, {history})
 WHERE {gaps}::int8multirange <> '{{}}';
)sql",
                       fmt::arg("s", added.schema), fmt::arg("id", added.id),
                       fmt::arg("high", *high), fmt::arg("history", history),
                       fmt::arg("gaps", gaps), fmt::arg("running", running));
  });
}

Result<void> settle_keys(const Ledger& ledger, RemoteTable& table) {
  const std::int32_t id = table.source().id;
  TRY(const RemoteProgress progress, read_progress(ledger, id));
  TRY(const auto rows, table.connection().query(std::string("SELECT ") + kServerHistory));
  TRY(const auto history, rows.get<std::string>(0, 0));
  if (progress.server.empty() || progress.server == history) return {};
  const auto work = [&]() -> Result<void> {
    TRY([[maybe_unused]] const auto noted,
        ledger.query("INSERT INTO pgtally.capture (feed, high, server) "
                     "SELECT $1::int4, p.high, $2::text FROM pgtally.progress_of($1::int4) AS p",
                     pg::Params().int4(id).text(history)));
    TRY([[maybe_unused]] const auto begun,
        ledger.query("SELECT pgtally.sweep_anew($1::int4)", pg::Params().int4(id)));
    return {};
  };
  TRY([[maybe_unused]] const bool stored, store(ledger, id, progress.id, work));
  return {};
}

Result<ReaderStep> read_new_keys(const Ledger& ledger, RemoteTable& table) {
  const std::int32_t id = table.source().id;
  pg::Connection& there = table.connection();
  TRY(const RemoteProgress progress, read_progress(ledger, id));
  TRY(const Holes holes, probed_holes(ledger, id));

  // In this order: whoever has ended before the rows are read has left what he wrote to be read, and
  // whoever began after that took his keys above the highest one that was read.
  Writers before;
  bool moves = false;
  if (!holes.barriers.empty()) {
    TRY(before, running_writers(there));
    TRY_VOID(add_prepared(there, before));
    if (!before.standby) {
      TRY(const auto rows,
          ledger.query("SELECT pgtally.barriers_move($1::int4, $2::text, $3::text[], $4::text[], "
                       "$5::int8[])",
                       pg::Params()
                           .int4(id)
                           .text(before.history)
                           .text_array(before.running)
                           .text_array(before.prepared)
                           .int8_array(holes.barriers)));
      TRY(moves, rows.get<bool>(0, 0));
    }
  }
  TRY(const auto query, page_query(table, holes, progress.high));
  TRY(const RemotePage page, table.read(query));
  if (page.rows.empty() && !moves) return ReaderStep{};
  TRY(const PageKeys keys, keys_of_page(page));
  TRY(const Writers after, running_writers(there));
  if (!page.rows.empty()) TRY_VOID(make_durable_if_allowed(there));

  ReaderStep step{.staged = page.rows.size(), .may_have_more = page.full};
  const auto work = [&]() -> Result<void> {
    std::vector<std::int64_t> closed;
    if (moves) {
      TRY(closed, closed_holes(ledger, id, before, holes, page.full));
    }
    TRY_VOID(stage(ledger, page.rows));
    pg::Params params;
    params.int4(id).text(after.history).text(keys.ranges);
    keys.top ? params.int8(*keys.top) : params.null();
    params.int8_array(closed).text_array(after.running);
    TRY([[maybe_unused]] const auto noted,
        ledger.query("SELECT pgtally.note_read($1::int4, $2::text, $3::text::int8multirange, "
                     "$4::int8, $5::int8[], $6::text[])",
                     params));
    return note_waiting(ledger, table, page);
  };
  TRY(const bool stored, store(ledger, id, progress.id, work));
  return stored ? step : ReaderStep{};
}

}  // namespace pgtally
