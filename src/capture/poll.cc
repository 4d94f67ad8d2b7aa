// Mode poll: the table is read as it is. With one integer key, rows above the highest key taken so
// far, and those that fill a hole below it (sql/functions/holes.sql). Any other key has no order in
// which rows come, so their rows are found by sweeps.

#include <fmt/format.h>

#include "capture/modes.h"
#include "capture/remote_poll.h"
#include "capture/sweep.h"

namespace pgtally {
namespace {

// Rows that are looked at to tell how many wait: a few hundredths of a second.
constexpr int kFewRows = 10'000;

// In SQL and without SET, so that pending() can be planned with it in line: in PL/pgSQL every row
// would be put aside twice. Whoever calls it has pinned the search_path. A table may have columns of
// any name, so parameters go by number, and the highest key by a subquery of its own.
std::string poll_feed(const SourceText& p) {
  return fmt::format(
      R"sql(CREATE OR REPLACE FUNCTION {s}.feed_{id}(max_rows integer, r {s}.round)
RETURNS SETOF {s}.pending_row
LANGUAGE sql STABLE
AS {quote}
  SELECT {out}
    FROM (
      (SELECT w.* FROM {s}.hole AS h CROSS JOIN LATERAL unnest(h.ranges) AS skipped(keys)
        CROSS JOIN LATERAL (
          SELECT {columns}
            FROM {table}
           WHERE {key} >= coalesce(lower(skipped.keys), '-9223372036854775808'::bigint)
             AND {key} < upper(skipped.keys)
           ORDER BY {key} LIMIT $1) AS w
        WHERE h.source_id = {id} AND {s}.is_probed(h.barrier_id)
        ORDER BY w.k1 LIMIT $1)
      UNION ALL
      (SELECT {columns}
        FROM {table} WHERE {key} > {high}
        ORDER BY {key} LIMIT $1)
      UNION ALL
      (SELECT {columns}
        FROM {table} WHERE {high} IS NULL
        ORDER BY {key} LIMIT $1)
    ) AS w
   ORDER BY w.k1 LIMIT $1
{quote};

)sql",
      fmt::arg("s", p.schema), fmt::arg("id", p.id),
      fmt::arg("out", p.pending_columns("w.t1", "NULL::xid8", "NULL::text[]")),
      fmt::arg("columns", p.columns), fmt::arg("table", p.table), fmt::arg("key", p.first_key),
      fmt::arg("high", fmt::format("(SELECT ({}.progress_of({})).high)", p.schema, p.id)),
      fmt::arg("quote", dollar_quote(p.columns + p.content + p.table)));
}

std::string poll_waiting(const SourceText& p) {
  return plpgsql_function(
      fmt::format("{0}.waiting_{1}(most integer, r {0}.round)", p.schema, p.id),
      "TABLE (waiting_rows bigint, oldest timestamptz)", "STABLE",
      fmt::format(R"sql(
DECLARE
  high bigint := ({s}.progress_of({id})).high;
BEGIN
  RETURN QUERY
  SELECT count(*), min(w.tm)
    FROM (SELECT {time} AS tm FROM {table} WHERE high IS NULL OR {key} > high LIMIT most) AS w;
END )sql",
                  fmt::arg("s", p.schema), fmt::arg("id", p.id), fmt::arg("time", p.time),
                  fmt::arg("table", p.table), fmt::arg("key", p.first_key)));
}

// Rows that no sweep has found yet. Counting them means looking at all of the table, so only of a small
// one; of others there is only since when nobody has looked.
std::string unswept(const SourceText& p) {
  return plpgsql_function(fmt::format("{0}.waiting_{1}(most integer, r {0}.round)", p.schema, p.id),
                          "TABLE (waiting_rows bigint, oldest timestamptz)", "STABLE",
                          fmt::format(R"sql(
DECLARE
  keys  bytea[];
  times timestamptz[];
BEGIN
  SELECT array_agg({key}), array_agg(w.tm) INTO keys, times
    FROM (SELECT {columns} FROM {table} LIMIT {few} + 1) AS w;
  IF cardinality(keys) > {few} THEN
    RETURN QUERY SELECT 0::bigint, {s}.complete_up_to({id});
  ELSE
    RETURN QUERY
    SELECT count(*), coalesce(min(times[l.place]),
                              CASE WHEN count(*) > 0 THEN {s}.complete_up_to({id}) END)
      FROM {s}.latest_states({id}, keys) AS l WHERE l.operation IS NULL;
  END IF;
END )sql",
                                      fmt::arg("s", p.schema), fmt::arg("id", p.id),
                                      fmt::arg("key", p.key), fmt::arg("columns", p.columns),
                                      fmt::arg("table", p.table), fmt::arg("few", kFewRows)));
}

class PollMode : public CaptureMode {
 public:
  std::string_view name() const override { return "poll"; }
  std::string_view why() const override {
    return "the table is read as it is, and nothing about it is changed";
  }
  std::string_view own_column() const override { return ""; }
  bool finds_rows(const SourceText& source) const override { return source.integer_key; }

  std::vector<std::string> missing(const TableShape&,
                                   const std::vector<std::string>&) const override {
    return {};
  }

  std::string functions(const SourceText& source) const override {
    if (!source.integer_key) return unswept(source) + sweep_function(source, "''", "true");
    return poll_feed(source) + poll_waiting(source) +
           sweep_function(source, "w.t1", rows_of_sweeps(source));
  }

  // Nothing is taken yet, and everything is above nothing. Of rows that are to be skipped, the
  // highest key is taken for recorded; transactions that run now may still fill the gaps that are
  // among the last keys before it.
  std::string begin(const SourceText& source, bool skip_existing) const override {
    if (!skip_existing) return "";
    return fmt::format(R"sql(
INSERT INTO {s}.skipped (source_id, high) SELECT {id}, max({key}) FROM {table};
INSERT INTO {s}.capture (feed, high)
SELECT {id}, high FROM {s}.skipped WHERE source_id = {id} AND high IS NOT NULL;
SELECT {s}.add_holes({id}, int8multirange(int8range(low, high)) - keys)
  FROM (SELECT k.high, k.low, coalesce(range_agg(int8range({key}, {key}, '[]'))
                 FILTER (WHERE {key} < k.high), '{{}}') AS keys
          FROM (SELECT high, greatest(high::numeric - 10000, -9223372036854775808)::bigint AS low
                  FROM {s}.skipped WHERE source_id = {id} AND high IS NOT NULL) AS k
          LEFT JOIN {table} ON {key} >= k.low GROUP BY k.high, k.low) AS recent
 WHERE NOT isempty(int8multirange(int8range(low, high)) - keys);
)sql",
                       fmt::arg("s", source.schema), fmt::arg("id", source.id),
                       fmt::arg("key", source.first_key), fmt::arg("table", source.table));
  }

  Result<Beginning> begin_elsewhere(pg::Connection& there, const SourceText& source,
                                    bool skip_existing) const override {
    if (!skip_existing) return Beginning([](const SourceText&) { return std::string(); });
    return skip_remote_keys(there, source);
  }

 private:
  // Below the highest key, not in a hole that is still looked into, and not to be skipped.
  static std::string rows_of_sweeps(const SourceText& source) {
    return fmt::format(
        "w.k1 <= progress.high AND NOT EXISTS (SELECT FROM {0}.hole AS h\n"
        "            WHERE h.source_id = {1} AND h.ranges @> w.k1::bigint)\n"
        "       AND NOT EXISTS (SELECT FROM {0}.skipped AS p\n"
        "            WHERE p.source_id = {1} AND w.k1 <= p.high)",
        source.schema, source.id);
  }
};

}  // namespace

const CaptureMode& poll_mode() {
  static const PollMode mode;
  return mode;
}

}  // namespace pgtally
