#include "torture/naive_rule.h"

#include <fmt/format.h>

#include "postgres/connection.h"
#include "torture/must.h"

namespace pgtally::torture {
namespace {

constexpr const char* kStaging = R"sql(
  (SELECT 0, s.source_id, 0, 1::smallint, convert_to(l.id::text, 'UTF8') AS key, l.id::text,
          NULL::timestamptz, sha256(l.data), NULL::bytea, l.xid, l.id AS number, NULL::text[]
     FROM pgtally.append_only_log AS l, pgtally.source AS s
    WHERE s.name = 'append_only_log' AND l.source_id = s.source_id AND l.id > (SELECT torture.last_id(x.source_id) FROM pgtally.source AS x WHERE x.name = 'append_only_log')
    ORDER BY l.id LIMIT $1)
)sql";

// The content is that of docs/formats.md, section Row hash.
constexpr const char* kTable = R"sql(
  (SELECT s.source_id, s.source_id, 0, 1::smallint, convert_to(l.id::text, 'UTF8') AS key, l.id::text,
          NULL::timestamptz,
          sha256('pgtally/row/v1\000'::bytea{columns}),
          NULL::bytea, {xid}, l.id AS number, ARRAY[l.id::text]
     FROM {table} AS l, pgtally.source AS s
    WHERE s.name = '{name}' AND l.id > (SELECT torture.last_id(x.source_id) FROM pgtally.source AS x WHERE x.name = '{name}')
    ORDER BY l.id LIMIT $1)
)sql";

constexpr const char* kPending = R"sql(
CREATE SCHEMA torture;
CREATE FUNCTION torture.last_id(source integer) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce(max(source_position::bigint), 0) FROM pgtally.processed_log
   WHERE source_id = source AND operation = 1 $$;
CREATE OR REPLACE FUNCTION pgtally.pending(
  max_rows integer, upto pg_snapshot DEFAULT NULL, upto_self xid8 DEFAULT NULL,
  feed_names text[] DEFAULT NULL)
RETURNS SETOF pgtally.pending_row LANGUAGE sql STABLE SECURITY DEFINER AS $$
  SELECT w.c1, w.c2, w.c3, w.c4, int2send(octet_length(w.c5)::int2) || w.c5, w.c6, w.c7, w.c8, w.c9,
         w.c10, CASE WHEN w.c1 = 0 THEN w.c11 END, w.c12
    FROM ({rows}) AS w(c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12)
   ORDER BY w.c1, w.c11 LIMIT $1 $$;
)sql";

std::string encoded(const std::string& column) {
  return fmt::format(
      " || '\\{0:03o}{1}'::bytea || int4send(octet_length(convert_to(l.{1}::text, 'UTF8')))"
      " || convert_to(l.{1}::text, 'UTF8')",
      column.size(), column);
}

}  // namespace

void install_naive_rule(const std::string& conninfo, const std::vector<NaiveTable>& tables) {
  std::string rows = kStaging;
  for (const NaiveTable& table : tables) {
    std::string columns;
    for (const std::string& column : table.columns) columns += encoded(column);
    rows +=
        "UNION ALL" + fmt::format(fmt::runtime(kTable), fmt::arg("table", "public." + table.name),
                                  fmt::arg("name", table.name), fmt::arg("columns", columns),
                                  fmt::arg("xid", table.has_xid ? "l.xid" : "NULL::xid8"));
  }
  auto connection = must(pg::Connection::open(conninfo));
  must(connection.execute(fmt::format(fmt::runtime(kPending), fmt::arg("rows", rows))));
}

}  // namespace pgtally::torture
