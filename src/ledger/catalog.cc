#include "ledger/catalog.h"

#include <algorithm>

#include "base/encoding.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

// A type and all that its values are made of: elements, base types, attributes, range bounds. Types
// such as name can be subscripted and are no arrays: their text is made by themselves.
constexpr const char* kTypeParts = R"sql(
  WITH RECURSIVE part(root, oid) AS (
      SELECT a.atttypid, a.atttypid FROM pg_attribute AS a
       WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION
      SELECT p.root, inner_type.oid
        FROM part AS p JOIN pg_type AS t ON t.oid = p.oid
        CROSS JOIN LATERAL (
          SELECT t.typelem AS oid WHERE t.typelem <> 0 AND t.typcategory = 'A'
          UNION ALL SELECT t.typbasetype WHERE t.typbasetype <> 0
          UNION ALL SELECT a.atttypid FROM pg_attribute AS a
                     WHERE a.attrelid = t.typrelid AND t.typrelid <> 0 AND a.attnum > 0
                       AND NOT a.attisdropped
          UNION ALL SELECT r.rngsubtype FROM pg_range AS r
                     WHERE r.rngtypid = t.oid OR r.rngmultitypid = t.oid) AS inner_type
  )
)sql";

// Under the search_path that the user's session came with: Ledger::open() put another in its place.
Result<std::uint32_t> look_up(pg::Connection& connection, const std::string& table) {
  std::vector<std::string> spellings{table};
  const std::size_t dot = table.find('.');
  if (auto whole = pg::quote_identifier(table); whole.ok()) spellings.push_back(*whole);
  if (dot != std::string::npos) {
    auto parts = pg::quote_qualified(table.substr(0, dot), table.substr(dot + 1));
    if (parts.ok()) spellings.push_back(*parts);
  }
  for (const std::string& spelling : spellings) {
    auto rows = connection.query("SELECT pg_catalog.to_regclass($1)::pg_catalog.oid",
                                 pg::Params().text(spelling));
    // A name that SQL cannot read at all is an error of its own; the quoted spelling comes next.
    if (!rows.ok() && connection.last_sqlstate() != "42602" &&
        connection.last_sqlstate() != "42601") {
      return std::move(rows).error();
    }
    if (rows.ok() && !rows->is_null(0, 0)) return rows->get<std::uint32_t>(0, 0);
  }
  return reject("there is no table " + quoted(table),
                "Write it as SQL does, with its schema: public.payment, or '\"Order Lines\"'.");
}

Result<std::uint32_t> find_table(pg::Connection& connection, const std::string& table) {
  TRY_VOID(
      connection.execute("SELECT set_config('search_path', coalesce(current_setting("
                         "'pgtally.user_search_path', true), 'pg_catalog'), false)"));
  auto found = look_up(connection, table);
  TRY_VOID(connection.execute("SET search_path = pg_catalog"));
  return found;
}

// pg_get_expr() waits for whoever has locked the table, and so would all who only look at its columns.
Result<std::vector<TableColumn>> read_columns(pg::Connection& connection, std::uint32_t oid) {
  TRY(const auto rows, connection.query(std::string(kTypeParts) + R"sql(
    SELECT a.attname::text, format_type(a.atttypid, NULL),
           -- Of a domain what it is over: a variable of the domain may refuse to be null.
           (WITH RECURSIVE base(oid) AS (
              SELECT a.atttypid
              UNION ALL
              SELECT b.typbasetype FROM base JOIN pg_type AS b USING (oid) WHERE b.typtype = 'd')
            SELECT format_type(oid, -1) FROM base JOIN pg_type AS b USING (oid) WHERE b.typtype <> 'd'),
           a.atttypmod,
           a.attnotnull, a.attgenerated <> '',
           CASE WHEN a.atttypid = 'xid8'::regtype THEN pg_get_expr(d.adbin, d.adrelid) END,
           (SELECT string_agg(DISTINCT format_type(t.oid, NULL), ', ')
              FROM part AS p JOIN pg_type AS t ON t.oid = p.oid JOIN pg_proc AS f ON f.oid = t.typoutput
             WHERE p.root = a.atttypid
               AND (t.typname LIKE 'reg%' AND t.typnamespace = 'pg_catalog'::regnamespace
                    OR t.oid IN ('aclitem'::regtype, '"char"'::regtype, 'pg_node_tree'::regtype)
                    OR f.provolatile = 'v'))
      FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)sql",
                                        pg::Params().int8(oid)));
  std::vector<TableColumn> columns;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TableColumn column;
    TRY(column.name, rows.get<std::string>(r, 0));
    TRY(column.type, rows.get<std::string>(r, 1));
    TRY(column.cast_type, rows.get<std::string>(r, 2));
    TRY(column.typmod, rows.get<std::int32_t>(r, 3));
    TRY(column.not_null, rows.get<bool>(r, 4));
    TRY(column.generated, rows.get<bool>(r, 5));
    TRY(column.default_expression, rows.get<std::optional<std::string>>(r, 6));
    TRY(const auto refused, rows.get<std::optional<std::string>>(r, 7));
    if (refused) {
      column.refused = "the text of a value of type " + *refused +
                       " depends on more than the value, so its hash would not stay the same";
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

// The key columns of each usable index; with `unique_only`, of those that make a row's key.
Result<std::vector<std::vector<std::string>>> read_indexes(pg::Connection& connection,
                                                           std::uint32_t oid, bool unique_only) {
  TRY(const auto rows, connection.query(R"sql(
    SELECT ARRAY(SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(n, place)
                   JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.n
                  ORDER BY k.place)
      FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
     WHERE i.indrelid = $1::oid AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
       AND m.amname = 'btree' AND (NOT $2::bool OR i.indisunique AND i.indimmediate)
     ORDER BY i.indisprimary DESC, i.indexrelid)sql",
                                        pg::Params().int8(oid).boolean(unique_only)));
  std::vector<std::vector<std::string>> indexes;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(auto columns, rows.get<std::vector<std::string>>(r, 0));
    indexes.push_back(std::move(columns));
  }
  return indexes;
}

// Why each unique index that read_indexes() leaves out does not make a key.
Result<std::vector<std::string>> read_unfit_keys(pg::Connection& connection, std::uint32_t oid) {
  TRY(const auto rows, connection.query(R"sql(
    SELECT coalesce(array_agg(c.relname || ': ' || CASE
             WHEN NOT i.indisvalid THEN 'it is not valid'
             WHEN i.indpred IS NOT NULL THEN 'it is partial'
             WHEN i.indexprs IS NOT NULL THEN 'it is over an expression'
             WHEN NOT i.indimmediate THEN 'it is deferrable'
             ELSE 'it is no btree' END ORDER BY c.relname), '{}')
      FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam
     WHERE i.indrelid = $1::oid AND i.indisunique
       AND NOT (i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indimmediate
                AND m.amname = 'btree'))sql",
                                        pg::Params().int8(oid)));
  return rows.get<std::vector<std::string>>(0, 0);
}

// Who owns it, what it is a part of, and what is a part of it.
Result<void> read_surroundings(pg::Connection& connection, TableShape& shape) {
  TRY(const auto rows, connection.query(R"sql(
    SELECT pg_get_userbyid(c.relowner)::text, pg_has_role(c.relowner, 'USAGE'),
           EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisprimary
                                            AND indisvalid AND indimmediate),
           ARRAY(SELECT quote_ident(n.nspname) || '.' || quote_ident(p.relname)
                   FROM pg_partition_ancestors(c.oid) AS a(relid)
                   JOIN pg_class AS p ON p.oid = a.relid JOIN pg_namespace AS n ON n.oid = p.relnamespace
                  WHERE p.oid <> c.oid),
           coalesce(parts.names, '{}'), coalesce(parts.unfit, '{}'),
           c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),
           coalesce(parts.updates, 0)::bigint, coalesce(parts.deletes, 0)::bigint,
           EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = c.oid),
           EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid),
           EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal
                      AND tgtype & 1 = 1 AND tgtype & 66 = 0 AND tgname !~ '^00_.+_[0-9]+_(insert|change|truncate)$')
      FROM pg_class AS c
      LEFT JOIN LATERAL (
        SELECT array_agg(q.name ORDER BY q.name) AS names,
               array_agg(q.name ORDER BY q.name)
                 FILTER (WHERE p.relkind = 'f' OR p.relpersistence <> 'p') AS unfit,
               sum(s.n_tup_upd) AS updates, sum(s.n_tup_del) AS deletes
          FROM pg_partition_tree(c.oid) AS t JOIN pg_class AS p ON p.oid = t.relid
          JOIN pg_namespace AS n ON n.oid = p.relnamespace
          CROSS JOIN LATERAL (SELECT quote_ident(n.nspname) || '.' || quote_ident(p.relname)) AS q(name)
          LEFT JOIN pg_stat_user_tables AS s ON s.relid = p.oid
         WHERE p.oid <> c.oid) AS parts ON true
     WHERE c.oid = $1::oid)sql",
                                        pg::Params().int8(shape.oid)));
  if (rows.empty()) return reject("table " + shape.qualified + " is gone");
  TRY(shape.owner, rows.get<std::string>(0, 0));
  TRY(shape.may_alter, rows.get<bool>(0, 1));
  TRY(shape.has_primary_key, rows.get<bool>(0, 2));
  TRY(shape.ancestors, rows.get<std::vector<std::string>>(0, 3));
  TRY(shape.partitions, rows.get<std::vector<std::string>>(0, 4));
  TRY(shape.unfit_parts, rows.get<std::vector<std::string>>(0, 5));
  TRY(shape.has_heirs, rows.get<bool>(0, 6));
  TRY(const auto updates, rows.get<std::int64_t>(0, 7));
  TRY(const auto deletes, rows.get<std::int64_t>(0, 8));
  TRY(shape.is_subscribed, rows.get<bool>(0, 9));
  TRY(shape.is_heir, rows.get<bool>(0, 10));
  TRY(shape.has_after_triggers, rows.get<bool>(0, 11));
  shape.updates += updates;
  shape.deletes += deletes;
  return {};
}

// Of a partitioned table what holds for all of its partitions, because they hold the rows.
Result<void> read_replica_identity(pg::Connection& connection, TableShape& shape) {
  TRY(const auto rows, connection.query(R"sql(
    WITH leaf AS (
      SELECT c.oid, c.relreplident, c.reltoastrelid FROM pg_class AS c
       WHERE c.relkind = 'r' AND c.oid IN (SELECT $1::oid UNION
                                           SELECT relid FROM pg_partition_tree($1::oid::regclass))
    ), named AS (
      SELECT a.attname FROM leaf AS l
        JOIN pg_index AS i ON i.indrelid = l.oid AND i.indisvalid AND i.indimmediate
             AND (l.relreplident = 'd' AND i.indisprimary OR l.relreplident = 'i' AND i.indisreplident)
        JOIN pg_attribute AS a ON a.attrelid = l.oid AND a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1])
    )
    SELECT coalesce(bool_and(l.relreplident = 'f'), true),
           ARRAY(SELECT n.attname::text FROM named AS n GROUP BY n.attname
                 HAVING count(*) = (SELECT count(*) FROM leaf WHERE relreplident <> 'f') ORDER BY 1),
           ARRAY(SELECT DISTINCT a.attname::text FROM leaf AS p JOIN pg_attribute AS a ON a.attrelid = p.oid
                  WHERE p.relreplident <> 'f' AND p.reltoastrelid <> 0 AND a.attnum > 0
                    AND NOT a.attisdropped AND a.attlen = -1 AND a.attstorage <> 'p' ORDER BY 1)
      FROM leaf AS l)sql",
                                        pg::Params().int8(shape.oid)));
  TRY(shape.full_identity, rows.get<bool>(0, 0));
  TRY(shape.identity, rows.get<std::vector<std::string>>(0, 1));
  TRY(shape.left_out, rows.get<std::vector<std::string>>(0, 2));
  return {};
}

Result<std::vector<ColumnDefinition>> column_definitions(const pg::Rows& rows, std::size_t row,
                                                         std::size_t names_at) {
  TRY(const auto names, rows.get<std::vector<std::string>>(row, names_at));
  TRY(const auto types, rows.get<std::vector<std::string>>(row, names_at + 1));
  TRY(const auto typmods, rows.get<std::vector<std::int64_t>>(row, names_at + 2));
  std::vector<ColumnDefinition> columns;
  for (std::size_t i = 0; i < names.size(); ++i) {
    columns.push_back({names[i], types[i], static_cast<std::int32_t>(typmods[i])});
  }
  return columns;
}

}  // namespace

const TableColumn* TableShape::column(std::string_view column_name) const {
  const auto it = std::find_if(columns.begin(), columns.end(),
                               [&](const TableColumn& c) { return c.name == column_name; });
  return it == columns.end() ? nullptr : &*it;
}

Result<TableShape> describe_table(pg::Connection& connection, const std::string& table) {
  TableShape shape;
  TRY(shape.oid, find_table(connection, table));
  TRY(const auto rows, connection.query(R"sql(
    SELECT n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text,
           coalesce(s.n_tup_upd, 0), coalesce(s.n_tup_del, 0),
           ARRAY(SELECT pg_get_constraintdef(k.oid) FROM pg_constraint AS k
                  WHERE k.conrelid = c.oid AND k.contype = 'c' ORDER BY k.oid),
           quote_ident(n.nspname) || '.' || quote_ident(c.relname)
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      LEFT JOIN pg_stat_user_tables AS s ON s.relid = c.oid
     WHERE c.oid = $1::oid)sql",
                                        pg::Params().int8(shape.oid)));
  if (rows.empty()) return reject("table " + quoted(table) + " is gone");
  TRY(shape.schema, rows.get<std::string>(0, 0));
  TRY(shape.name, rows.get<std::string>(0, 1));
  TRY(const auto kind, rows.get<std::string>(0, 2));
  TRY(const auto persistence, rows.get<std::string>(0, 3));
  TRY(shape.updates, rows.get<std::int64_t>(0, 4));
  TRY(shape.deletes, rows.get<std::int64_t>(0, 5));
  TRY(shape.checks, rows.get<std::vector<std::string>>(0, 6));
  TRY(shape.qualified, rows.get<std::string>(0, 7));
  shape.kind = kind[0];
  shape.persistence = persistence[0];
  TRY(shape.columns, read_columns(connection, shape.oid));
  TRY(shape.unique_keys, read_indexes(connection, shape.oid, true));
  TRY(shape.index_columns, read_indexes(connection, shape.oid, false));
  TRY(shape.unfit_keys, read_unfit_keys(connection, shape.oid));
  TRY_VOID(read_surroundings(connection, shape));
  TRY_VOID(read_replica_identity(connection, shape));
  return shape;
}

Result<std::vector<TypeDefinition>> used_types(pg::Connection& connection, std::uint32_t table,
                                               const std::vector<std::string>& columns) {
  TRY(const auto rows, connection.query(std::string(kTypeParts) + R"sql(
    SELECT DISTINCT t.typtype::text, quote_ident(n.nspname) || '.' || quote_ident(t.typname) AS name,
           ARRAY(SELECT e.enumlabel::text FROM pg_enum AS e WHERE e.enumtypid = t.oid
                  ORDER BY e.enumsortorder),
           CASE t.typtype WHEN 'd' THEN ARRAY['value'] ELSE ARRAY(
             SELECT a.attname::text FROM pg_attribute AS a
              WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) END,
           CASE t.typtype WHEN 'd' THEN ARRAY[format_type(t.typbasetype, NULL)] ELSE ARRAY(
             SELECT format_type(a.atttypid, NULL) FROM pg_attribute AS a
              WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) END,
           CASE t.typtype WHEN 'd' THEN ARRAY[t.typtypmod::int8] ELSE ARRAY(
             SELECT a.atttypmod::int8 FROM pg_attribute AS a
              WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) END
      FROM part AS p JOIN pg_type AS t ON t.oid = p.oid JOIN pg_namespace AS n ON n.oid = t.typnamespace
     WHERE t.typtype IN ('e', 'd', 'c')
       AND p.root IN (SELECT a.atttypid FROM pg_attribute AS a
                       WHERE a.attrelid = $1::oid AND a.attname = ANY($2::text[]))
     ORDER BY name)sql",
                                        pg::Params().int8(table).text_array(columns)));
  std::vector<TypeDefinition> types;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TypeDefinition type;
    TRY(const auto kind, rows.get<std::string>(r, 0));
    TRY(type.name, rows.get<std::string>(r, 1));
    TRY(type.labels, rows.get<std::vector<std::string>>(r, 2));
    type.kind = kind == "e"   ? TypeDefinition::Kind::kEnum
                : kind == "d" ? TypeDefinition::Kind::kDomain
                              : TypeDefinition::Kind::kComposite;
    if (type.kind != TypeDefinition::Kind::kEnum) {
      TRY(type.columns, column_definitions(rows, r, 3));
    }
    types.push_back(std::move(type));
  }
  return types;
}

}  // namespace pgtally
