#include "ledger/source_sql.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

// The texts of these types are never long enough to make a key longer than an entry can hold.
bool is_short_type(const std::string& type) {
  static const std::vector<std::string> types{
      "smallint", "integer", "bigint", "uuid", "date", "boolean", "real", "double precision",
      "timestamp with time zone", "timestamp without time zone", "inet", "cidr", "macaddr"};
  return std::find(types.begin(), types.end(), type) != types.end();
}

// The text that a type's output function gives. For text that is the value itself.
std::string output_text(const std::string& expression, const std::string& type) {
  return type == "text" ? expression : fmt::format("format('%s', {})", expression);
}

std::string list(std::size_t count, const std::string& form, const std::string& separator = ", ") {
  std::string out;
  for (std::size_t i = 1; i <= count; ++i) {
    if (i > 1) out += separator;
    out += fmt::format(fmt::runtime(form), fmt::arg("n", i));
  }
  return out;
}

// Everything that the generated functions of one source share.
struct Parts {
  std::string schema;    // the ledger's
  std::int32_t id;
  std::uint32_t definition;
  std::string source;    // name, as a literal
  std::string table;     // with its alias: "public"."payment" AS t
  std::string columns;   // the select list of the inner queries
  std::string key;       // bytea, from w
  std::string content;   // bytea, from w
  std::string time;      // timestamptz, from t
  std::string order;     // t."a", t."b"
  std::string first_key; // t."a"
  std::vector<std::string> cast_types;
  std::size_t keys;

  // Declarations of cursor_1, … and the assignments that fill them from a text[].
  [[nodiscard]] std::string cursor_variables() const {
    std::string out;
    for (std::size_t i = 0; i < keys; ++i) {
      out += fmt::format("  cursor_{} {};\n", i + 1, cast_types[i]);
    }
    return out;
  }
  [[nodiscard]] std::string cursor_from(const std::string& array) const {
    std::string out;
    for (std::size_t i = 1; i <= keys; ++i) {
      out += fmt::format("    cursor_{0} := ({1})[{0}];\n", i, array);
    }
    return out;
  }
  [[nodiscard]] std::string beyond_cursor() const {
    return fmt::format("({}) > ({})", order, list(keys, "cursor_{n}"));
  }
};

std::string key_expression(const std::string& schema, const SourceDefinition& definition,
                           const TableShape& shape) {
  const std::size_t n = definition.key.size();
  std::string whole = list(n, "int2send(octet_length(w.b{n})::int2) || w.b{n}", " || ");
  const bool is_short = n <= 8 && std::all_of(definition.key.begin(), definition.key.end(),
                                              [&](const std::string& name) {
                                                return is_short_type(shape.column(name)->type);
                                              });
  if (is_short) return whole;
  return fmt::format(
      "CASE WHEN {} > 1024 OR greatest({}) > 1022 THEN {}.long_key(ARRAY[{}]) ELSE {} END",
      list(n, "octet_length(w.b{n}) + 2", " + "), list(n, "octet_length(w.b{n})"), schema,
      list(n, "w.b{n}"), whole);
}

// The preimage of row/v1 under sha256(), by ascending bytes of the columns' names.
std::string row_expression(const SourceDefinition& definition) {
  std::vector<std::size_t> places(definition.columns.size());
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
  std::sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
    return definition.columns[a].name < definition.columns[b].name;
  });
  std::string out = "sha256('pgtally/row/v1'::bytea || '\\x00'::bytea";
  for (const std::size_t place : places) {
    const std::string& name = definition.columns[place].name;
    Bytes prefix{static_cast<std::uint8_t>(name.size())};
    prefix.insert(prefix.end(), name.begin(), name.end());
    out += fmt::format(
        "\n           || CASE WHEN w.v{0} IS NULL THEN ''::bytea ELSE '\\x{1}'::bytea"
        " || int4send(octet_length(w.v{0})) || w.v{0} END",
        place + 1, to_hex(prefix));
  }
  return out + ")";
}

Result<Parts> parts_of(const std::string& schema, std::int32_t id,
                       const SourceDefinition& definition, const TableShape& shape) {
  Parts p;
  p.schema = schema;
  p.id = id;
  p.definition = definition.number;
  p.keys = definition.key.size();
  p.table = definition.relation + " AS t";
  TRY(p.source, pg::quote_literal(definition.source));
  std::vector<std::string> columns;
  std::vector<std::string> order;
  for (std::size_t i = 0; i < definition.key.size(); ++i) {
    const TableColumn* column = shape.column(definition.key[i]);
    if (column == nullptr) {
      return reject("there is no column " + quoted(definition.key[i]) + " in " + definition.relation);
    }
    TRY(const auto name, pg::quote_identifier(column->name));
    const std::string text = output_text("t." + name, column->type);
    columns.push_back(fmt::format("t.{0} AS k{1}, {2} AS t{1}, convert_to({2}, 'UTF8') AS b{1}", name,
                                  i + 1, text));
    order.push_back("t." + name);
    p.cast_types.push_back(column->cast_type);
  }
  p.first_key = order[0];
  p.order = fmt::format("{}", fmt::join(order, ", "));
  p.key = key_expression(schema, definition, shape);

  if (definition.content == ContentKind::kColumn) {
    TRY(const auto name, pg::quote_identifier(*definition.hash_column));
    columns.push_back(fmt::format("t.{} AS hx", name));
    p.content = fmt::format(
        "CASE WHEN octet_length(w.hx) = 32 THEN w.hx ELSE {}.no_hash({}, ARRAY[{}]) END", schema,
        p.source, list(p.keys, "w.t{n}"));
  } else {
    for (std::size_t i = 0; i < definition.columns.size(); ++i) {
      const ColumnDefinition& column = definition.columns[i];
      TRY(const auto name, pg::quote_identifier(column.name));
      columns.push_back(fmt::format(
          "CASE WHEN t.{0} IS DISTINCT FROM NULL THEN convert_to({1}, 'UTF8') END AS v{2}", name,
          output_text("t." + name, column.type), i + 1));
    }
    p.content = row_expression(definition);
  }
  if (definition.time) {
    TRY(const auto name, pg::quote_identifier(*definition.time));
    p.time = fmt::format("{}.encodable(t.{}::timestamptz)", schema, name);
  } else {
    p.time = "NULL::timestamptz";
  }
  columns.push_back(p.time + " AS tm");
  if (definition.mode == "xid") columns.emplace_back("t.xid AS x");
  p.columns = fmt::format("{}", fmt::join(columns, ",\n             "));
  return p;
}

std::string function(const std::string& head, const std::string& returns,
                     const std::string& volatility, const std::string& body) {
  return fmt::format(
      "CREATE OR REPLACE FUNCTION {}\nRETURNS {}\nLANGUAGE plpgsql {}\n"
      "SET search_path = pg_catalog, pg_temp\nAS $pgtally$\n#variable_conflict use_variable\n{}"
      "$pgtally$",
      head, returns, volatility, body);
}

std::string pending_columns(const Parts& p, const std::string& position, const std::string& xid,
                            const std::string& cursor) {
  return fmt::format("{0}, {0}, {1}, 1::smallint,\n         {2},\n         {3}, w.tm,\n         {4},\n"
                     "         NULL::bytea, {5}, NULL::bigint, {6}",
                     p.id, p.definition, p.key, position, p.content, xid, cursor);
}

// The rest of the transaction that the cursor stands in; transactions that were open when the last
// round ended; transactions that began after that. See staged() in sql/functions/rounds.sql.
std::string xid_feed(const Parts& p) {
  return function(
      fmt::format("{0}.feed_{1}(max_rows integer, r {0}.round)", p.schema, p.id),
      "SETOF " + p.schema + ".pending_row", "STABLE",
      fmt::format(R"sql(
DECLARE
  progress {s}.capture := {s}.progress_of({id});
  here     xid8 := '0';
{cursors}BEGIN
  IF progress.round_id = r.round_id AND progress.cursor_xid IS NOT NULL THEN
    here := progress.cursor_xid;
{assign}  END IF;
  RETURN QUERY
  SELECT {out}
    FROM (
      (SELECT {columns}
        FROM {table} WHERE t.xid = here AND {beyond}
        ORDER BY {order} LIMIT max_rows)
      UNION ALL
      (SELECT w.* FROM unnest({s}.in_progress_below_xmax(r.since, r.since_self)) AS open(xid)
        CROSS JOIN LATERAL (
          SELECT {columns}
            FROM {table} WHERE t.xid = open.xid ORDER BY {order} LIMIT max_rows) AS w
        WHERE open.xid > here AND NOT {s}.in_progress(open.xid, r.upto, r.upto_self)
          AND {s}.in_progress(open.xid, progress.baseline, progress.baseline_self)
        LIMIT max_rows)
      UNION ALL
      (SELECT {columns}
        FROM {table}
       WHERE t.xid >= pg_snapshot_xmax(r.since) AND t.xid > here AND t.xid < pg_snapshot_xmax(r.upto)
         AND NOT {s}.in_progress(t.xid, r.upto, r.upto_self)
         AND {s}.in_progress(t.xid, progress.baseline, progress.baseline_self)
        ORDER BY t.xid, {order} LIMIT max_rows)
    ) AS w
   ORDER BY w.x, {keys} LIMIT max_rows;
END )sql",
                  fmt::arg("s", p.schema), fmt::arg("id", p.id), fmt::arg("cursors", p.cursor_variables()),
                  fmt::arg("assign", p.cursor_from("progress.cursor_key")),
                  fmt::arg("out", pending_columns(p, "w.x::text", "w.x",
                                                  "ARRAY[" + list(p.keys, "w.t{n}") + "]")),
                  fmt::arg("columns", p.columns), fmt::arg("table", p.table),
                  fmt::arg("beyond", p.beyond_cursor()), fmt::arg("order", p.order),
                  fmt::arg("keys", list(p.keys, "w.k{n}"))));
}

std::string xid_waiting(const Parts& p) {
  return function(
      fmt::format("{0}.waiting_{1}(most integer, r {0}.round)", p.schema, p.id),
      "TABLE (waiting_rows bigint, oldest timestamptz)", "STABLE",
      fmt::format(R"sql(
DECLARE
  progress {s}.capture := {s}.progress_of({id});
  here     xid8 := '0';
{cursors}BEGIN
  IF progress.round_id = r.round_id AND progress.cursor_xid IS NOT NULL THEN
    here := progress.cursor_xid;
{assign}  END IF;
  RETURN QUERY
  SELECT count(*), min(w.tm)
    FROM (SELECT {time} AS tm FROM {table}
           WHERE t.xid >= pg_snapshot_xmin(r.since) AND t.xid >= here
             AND (t.xid > here OR {beyond})
             AND {s}.in_progress(t.xid, r.since, r.since_self)
             AND {s}.in_progress(t.xid, progress.baseline, progress.baseline_self)
           LIMIT most) AS w;
END )sql",
                  fmt::arg("s", p.schema), fmt::arg("id", p.id), fmt::arg("cursors", p.cursor_variables()),
                  fmt::arg("assign", p.cursor_from("progress.cursor_key")), fmt::arg("time", p.time),
                  fmt::arg("table", p.table), fmt::arg("beyond", p.beyond_cursor())));
}

std::string poll_feed(const Parts& p) {
  return function(
      fmt::format("{0}.feed_{1}(max_rows integer, r {0}.round)", p.schema, p.id),
      "SETOF " + p.schema + ".pending_row", "STABLE",
      fmt::format(R"sql(
DECLARE
  high bigint := ({s}.progress_of({id})).high;
BEGIN
  RETURN QUERY
  SELECT {out}
    FROM (
      (SELECT w.* FROM {s}.hole AS h CROSS JOIN LATERAL unnest(h.ranges) AS skipped
        CROSS JOIN LATERAL (
          SELECT {columns}
            FROM {table}
           WHERE {key} >= coalesce(lower(skipped), -9223372036854775808) AND {key} < upper(skipped)
           ORDER BY {key} LIMIT max_rows) AS w
        WHERE h.source_id = {id} AND {s}.is_probed(h.barrier_id)
        ORDER BY w.k1 LIMIT max_rows)
      UNION ALL
      (SELECT {columns}
        FROM {table} WHERE high IS NULL OR {key} > high
        ORDER BY {key} LIMIT max_rows)
    ) AS w
   ORDER BY w.k1 LIMIT max_rows;
END )sql",
                  fmt::arg("s", p.schema), fmt::arg("id", p.id),
                  fmt::arg("out", pending_columns(p, "w.t1", "NULL::xid8", "NULL::text[]")),
                  fmt::arg("columns", p.columns), fmt::arg("table", p.table),
                  fmt::arg("key", p.first_key)));
}

std::string poll_waiting(const Parts& p) {
  return function(fmt::format("{0}.waiting_{1}(most integer, r {0}.round)", p.schema, p.id),
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

// Which of the rows that a sweep comes across are its own to take: the others are still to be taken
// by their source's feed, or may yet be.
std::string sweeps_own(const Parts& p, const std::string& mode, bool integer_key) {
  if (mode == "xid") {
    return fmt::format(
        "(w.x IS NULL OR NOT {0}.in_progress(w.x, r.since, r.since_self)\n"
        "            OR NOT {0}.in_progress(w.x, progress.baseline, progress.baseline_self))",
        p.schema);
  }
  if (!integer_key) return "true";
  return fmt::format("w.k1 <= progress.high AND NOT EXISTS (SELECT FROM {}.hole AS h\n"
                     "            WHERE h.source_id = {} AND h.ranges @> w.k1::bigint)",
                     p.schema, p.id);
}

std::string sweep(const Parts& p, const std::string& mode, bool integer_key) {
  return function(
      fmt::format("{}.sweep_{}(after text[], most integer)", p.schema, p.id),
      "TABLE (scanned bigint, found bigint, last_key text[])", "VOLATILE",
      fmt::format(R"sql(
DECLARE
  progress {s}.capture := {s}.progress_of({id});
  r        {s}.round := {s}.current_round();
  waiting  bytea[] := {s}.staged_keys({id});
{cursors}BEGIN
  IF after IS NOT NULL THEN
{assign}  END IF;
  RETURN QUERY
  WITH w AS MATERIALIZED (
    SELECT {columns}
      FROM {table} WHERE after IS NULL OR {beyond}
     ORDER BY {order} LIMIT most
  ), new AS (
    INSERT INTO {s}.append_only_log (source_id, definition, operation, key, source_position,
           source_time, content_hash)
    SELECT {id}, {definition}, 1,
         {key},
         {position}, w.tm,
         {content}
      FROM w
     WHERE {own}
       AND NOT {s}.is_recorded({id}, {key}, waiting)
     ORDER BY {keys} RETURNING 1
  )
  SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM new),
         (SELECT ARRAY[{texts}] FROM w ORDER BY {descending} LIMIT 1);
END )sql",
                  fmt::arg("s", p.schema), fmt::arg("id", p.id), fmt::arg("definition", p.definition),
                  fmt::arg("cursors", p.cursor_variables()), fmt::arg("assign", p.cursor_from("after")),
                  fmt::arg("columns", p.columns), fmt::arg("table", p.table),
                  fmt::arg("beyond", p.beyond_cursor()), fmt::arg("order", p.order),
                  fmt::arg("key", p.key), fmt::arg("content", p.content),
                  fmt::arg("position", mode == "xid" ? "coalesce(w.x::text, '')"
                                       : integer_key ? "w.t1"
                                                     : "''"),
                  fmt::arg("own", sweeps_own(p, mode, integer_key)),
                  fmt::arg("keys", list(p.keys, "w.k{n}")),
                  fmt::arg("texts", list(p.keys, "w.t{n}")),
                  fmt::arg("descending", list(p.keys, "w.k{n} DESC"))));
}

}  // namespace

bool has_integer_key(const SourceDefinition& definition, const TableShape& shape) {
  if (definition.key.size() != 1) return false;
  const TableColumn* column = shape.column(definition.key[0]);
  return column != nullptr && column->is_integer();
}

Result<std::string> source_sql(const std::string& schema, std::int32_t source_id,
                             const SourceDefinition& definition, const TableShape& shape) {
  TRY(const Parts p, parts_of(schema, source_id, definition, shape));
  const bool integer_key = has_integer_key(definition, shape);
  std::vector<std::string> functions;
  if (definition.mode == "xid") {
    functions = {xid_feed(p), xid_waiting(p)};
  } else if (integer_key) {
    functions = {poll_feed(p), poll_waiting(p)};
  }
  functions.push_back(sweep(p, definition.mode, integer_key));
  return fmt::format("{};\n", fmt::join(functions, ";\n\n"));
}

std::string drop_statements(const std::string& schema, std::int32_t source_id) {
  return fmt::format(
      "DROP FUNCTION IF EXISTS {0}.feed_{1}(integer, {0}.round);\n"
      "DROP FUNCTION IF EXISTS {0}.waiting_{1}(integer, {0}.round);\n"
      "DROP FUNCTION IF EXISTS {0}.sweep_{1}(text[], integer);\n",
      schema, source_id);
}

Result<std::string> row_query(const SourceDefinition& definition, const TableShape& shape) {
  std::vector<std::string> values;
  for (const ColumnDefinition& column : definition.columns) {
    TRY(const auto name, pg::quote_identifier(column.name));
    values.push_back(fmt::format("CASE WHEN t.{0} IS DISTINCT FROM NULL THEN format('%s', t.{0}) END",
                                 name));
  }
  std::vector<std::string> conditions;
  for (std::size_t i = 0; i < definition.key.size(); ++i) {
    const TableColumn* column = shape.column(definition.key[i]);
    if (column == nullptr) {
      return reject("there is no column " + quoted(definition.key[i]) + " in " + definition.relation +
                    " any more");
    }
    TRY(const auto name, pg::quote_identifier(column->name));
    conditions.push_back(fmt::format("t.{} = CAST(${} AS {})", name, i + 1, column->cast_type));
  }
  return fmt::format("SELECT {} FROM {} AS t WHERE {}",
                     values.empty() ? "NULL::text" : fmt::format("{}", fmt::join(values, ", ")),
                     definition.relation, fmt::join(conditions, " AND "));
}

}  // namespace pgtally
