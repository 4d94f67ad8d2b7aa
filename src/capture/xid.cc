// Mode xid: exactly the rows whose transaction became visible between two snapshots. The rule and its
// proof are in docs/ARCHITECTURE.md; staging, which is such a table, has it in sql/functions/rounds.sql.

#include <fmt/format.h>

#include <algorithm>

#include "capture/modes.h"
#include "capture/remote_xid.h"
#include "capture/sweep.h"

namespace pgtally {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool contains_index(const TableShape& table, const std::vector<std::string>& leading) {
  return std::any_of(table.index_columns.begin(), table.index_columns.end(),
                     [&](const auto& index) {
                       return index.size() >= leading.size() &&
                              std::equal(leading.begin(), leading.end(), index.begin());
                     });
}

// Not a row that is in the log, or on its way, though its transaction id looks new: one that was
// written in another cluster. See foreign_xmax() in sql/functions/cluster.sql.
std::string is_not_foreign(const SourceText& p) {
  return fmt::format(
      R"sql((progress.foreign_xmax IS NULL OR t.xid > progress.foreign_xmax
            OR NOT (SELECT {s}.is_recorded({id}, {key}, staged) FROM (SELECT {columns}) AS w)))sql",
      fmt::arg("s", p.schema), fmt::arg("id", p.id), fmt::arg("key", p.key),
      fmt::arg("columns", p.columns));
}

// What both functions begin with: where the source's rows are taken from.
std::string declarations(const SourceText& p) {
  return fmt::format(
      R"sql(
DECLARE
  progress {s}.capture := {s}.progress_of({id});
  staged   bytea[];
  here     xid8 := '0';
{cursors}BEGIN
  IF progress.foreign_xmax IS NOT NULL THEN
    staged := {s}.staged_keys({id});
  END IF;
  IF progress.round_id = r.round_id AND progress.cursor_xid IS NOT NULL THEN
    here := progress.cursor_xid;
{assign}  END IF;
)sql",
      fmt::arg("s", p.schema), fmt::arg("id", p.id), fmt::arg("cursors", p.cursor_variables()),
      fmt::arg("assign", p.cursor_from("progress.cursor_key")));
}

// The rest of the transaction that the cursor stands in; transactions that were open when the last
// round ended; transactions that began after that. See staged() in sql/functions/rounds.sql.
std::string xid_feed(const SourceText& p) {
  return plpgsql_function(
      fmt::format("{0}.feed_{1}(max_rows integer, r {0}.round)", p.schema, p.id),
      "SETOF " + p.schema + ".pending_row", "STABLE",
      declarations(p) +
          fmt::format(
              R"sql(  RETURN QUERY
  SELECT {out}
    FROM (
      (SELECT {columns}
        FROM {table} WHERE t.xid = here AND {beyond}
         AND {new}
        ORDER BY {order} LIMIT max_rows)
      UNION ALL
      (SELECT w.* FROM unnest({s}.in_progress_below_xmax(r.since, r.since_self)) AS open(xid)
        CROSS JOIN LATERAL (
          SELECT {columns}
            FROM {table} WHERE t.xid = open.xid
             AND {new}
            ORDER BY {order} LIMIT max_rows) AS w
        WHERE open.xid > here AND NOT {s}.in_progress(open.xid, r.upto, r.upto_self)
          AND {s}.in_progress(open.xid, progress.baseline, progress.baseline_self)
        LIMIT max_rows)
      UNION ALL
      (SELECT {columns}
        FROM {table}
       WHERE t.xid >= pg_snapshot_xmax(r.since) AND t.xid > here AND t.xid < pg_snapshot_xmax(r.upto)
         AND NOT {s}.in_progress(t.xid, r.upto, r.upto_self)
         AND {s}.in_progress(t.xid, progress.baseline, progress.baseline_self)
         AND {new}
        ORDER BY t.xid, {order} LIMIT max_rows)
    ) AS w
   ORDER BY w.x, {keys} LIMIT max_rows;
END )sql",
              fmt::arg("s", p.schema), fmt::arg("new", is_not_foreign(p)),
              fmt::arg("out", p.pending_columns("w.x::text", "w.x",
                                                "ARRAY[" + p.each_key("w.t{n}") + "]")),
              fmt::arg("columns", p.columns), fmt::arg("table", p.table),
              fmt::arg("beyond", p.beyond_cursor()), fmt::arg("order", p.order),
              fmt::arg("keys", p.each_key("w.k{n}"))));
}

std::string xid_waiting(const SourceText& p) {
  return plpgsql_function(
      fmt::format("{0}.waiting_{1}(most integer, r {0}.round)", p.schema, p.id),
      "TABLE (waiting_rows bigint, oldest timestamptz)", "STABLE",
      declarations(p) + fmt::format(R"sql(  RETURN QUERY
  SELECT count(*), min(w.tm)
    FROM (SELECT {time} AS tm FROM {table}
           WHERE t.xid >= pg_snapshot_xmin(r.since) AND t.xid >= here
             AND t.xid < pg_snapshot_xmax(r.upto)
             AND (t.xid > here OR {beyond})
             AND {s}.in_progress(t.xid, r.since, r.since_self)
             AND {s}.in_progress(t.xid, progress.baseline, progress.baseline_self)
             AND {new}
           LIMIT most) AS w;
END )sql",
                                    fmt::arg("s", p.schema), fmt::arg("new", is_not_foreign(p)),
                                    fmt::arg("time", p.time), fmt::arg("table", p.table),
                                    fmt::arg("beyond", p.beyond_cursor())));
}

class XidMode : public CaptureMode {
 public:
  std::string_view name() const override { return "xid"; }
  std::string_view why() const override {
    return "the table has an xid column that nobody can forge";
  }
  std::string_view own_column() const override { return "xid"; }
  bool finds_rows(const SourceText&) const override { return true; }

  std::vector<std::string> missing(const TableShape& table,
                                   const std::vector<std::string>& key) const override {
    std::vector<std::string> missing;
    const TableColumn* xid = table.column("xid");
    if (xid == nullptr || xid->type != "xid8" || !xid->not_null ||
        xid->default_expression != "pg_current_xact_id()") {
      missing.push_back("ALTER TABLE " + table.qualified +
                        " ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();");
    }
    if (!contains(table.checks, "CHECK ((xid = pg_current_xact_id())) NOT VALID") &&
        !contains(table.checks, "CHECK ((xid = pg_current_xact_id()))")) {
      missing.push_back("ALTER TABLE " + table.qualified +
                        " ADD CONSTRAINT xid_is_the_writers_own"
                        " CHECK (xid = pg_current_xact_id()) NOT VALID;");
    }
    std::vector<std::string> wanted{"xid"};
    wanted.insert(wanted.end(), key.begin(), key.end());
    if (!contains_index(table, wanted)) {
      std::string columns;
      for (const std::string& name : wanted)
        columns += (columns.empty() ? "\"" : ", \"") + name + "\"";
      missing.push_back("CREATE INDEX ON " + table.qualified + " (" + columns + ");");
    }
    return missing;
  }

  std::string functions(const SourceText& source) const override {
    return xid_feed(source) + xid_waiting(source) +
           sweep_function(source, "coalesce(w.x::text, '')", rows_of_sweeps(source));
  }

  // What is visible now is the first sweep's to take, or nobody's, and all that comes later the
  // rounds'.
  std::string begin(const SourceText& source, bool skip_existing) const override {
    const std::string baseline = "pg_current_snapshot(), pg_current_xact_id());\n";
    const std::string values = fmt::format("VALUES ({}, ", source.id) + baseline;
    std::string out =
        "INSERT INTO " + source.schema + ".capture (feed, baseline, baseline_self)\n" + values;
    if (skip_existing) {
      out += "INSERT INTO " + source.schema + ".skipped (source_id, baseline, baseline_self)\n" +
             values;
    }
    return out;
  }

  Result<Beginning> begin_elsewhere(pg::Connection& there, const SourceText&,
                                    bool skip_existing) const override {
    return begin_remote_rounds(there, skip_existing);
  }

 private:
  // Those that no round takes: from before the baseline, or from before the last round. Not those
  // that are to be skipped. Where rounds, too, look rows up by their keys, the first to come to a
  // row takes it.
  static std::string rows_of_sweeps(const SourceText& source) {
    return fmt::format(
        "(w.x IS NULL OR NOT {0}.in_progress(w.x, r.since, r.since_self)\n"
        "            OR NOT {0}.in_progress(w.x, progress.baseline, progress.baseline_self)\n"
        "            OR w.x <= progress.foreign_xmax)\n"
        "       AND NOT EXISTS (SELECT FROM {0}.skipped AS p WHERE p.source_id = {1}\n"
        "            AND (w.x IS NULL OR NOT {0}.in_progress(w.x, p.baseline, p.baseline_self)))",
        source.schema, source.id);
  }
};

}  // namespace

const CaptureMode& xid_mode() {
  static const XidMode mode;
  return mode;
}

}  // namespace pgtally
