#include "capture/logical_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "ledger/catalog.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

constexpr const char* kMakeItAnew =
    "Make it again: its rows are then compared with the log. Or remove the source.";

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

const StreamedTable::Column* find_column(const StreamedTable& table, const std::string& name) {
  const auto it = std::find_if(table.columns.begin(), table.columns.end(),
                               [&](const auto& column) { return column.name == name; });
  return it == table.columns.end() ? nullptr : &*it;
}

// The names of the types of the table's columns, in their order.
Result<std::vector<std::string>> type_names(pg::Connection& source, const StreamedTable& table) {
  std::vector<std::int64_t> types;
  for (const auto& column : table.columns) types.push_back(column.type);
  TRY(const auto rows,
      source.query("SELECT ARRAY(SELECT coalesce(format_type(t.oid::oid, NULL), '') "
                   "FROM unnest($1::int8[]) WITH ORDINALITY AS t(oid, place) ORDER BY place)",
                   pg::Params().int8_array(types)));
  return rows.get<std::vector<std::string>>(0, 0);
}

using Renamings = std::map<std::string, std::string>;

// Columns that are known by a name which the table does not have any more, and that the catalog has
// under one that was not known.
Renamings find_renamings(const KnownColumns& known, const KnownColumns& now,
                         const StreamedTable& table) {
  Renamings renamed;
  for (std::size_t i = 0; i < known.names.size(); ++i) {
    if (find_column(table, known.names[i]) != nullptr) continue;
    for (std::size_t j = 0; j < now.names.size(); ++j) {
      const bool is_new = !contains(known.names, now.names[j]);
      if (now.numbers[j] == known.numbers[i] && is_new &&
          find_column(table, now.names[j]) != nullptr) {
        renamed[known.names[i]] = now.names[j];
      }
    }
  }
  return renamed;
}

void rename(const Renamings& renamed, std::string& name) {
  const auto it = renamed.find(name);
  if (it != renamed.end()) name = it->second;
}

Error cannot_go_on(const SourceDefinition& definition, const std::string& what,
                   const std::string& hint) {
  return reject(what + ", and source " + definition.source + " cannot go on without it", hint);
}

// Names under which the table's columns go on, in everything that the definition says of them.
Result<void> carry_over(SourceDefinition& next, const Renamings& renamed,
                        const StreamedTable& table) {
  next.renamed.clear();
  for (const auto& [from, to] : renamed) {
    const bool is_covered = std::any_of(next.columns.begin(), next.columns.end(),
                                        [&](const auto& column) { return column.name == from; });
    if (is_covered || contains(next.key, from)) next.renamed.push_back({from, to});
  }
  for (std::string& name : next.key) {
    rename(renamed, name);
    if (find_column(table, name) == nullptr && !has_position_key(next)) {
      return cannot_go_on(next, "key column " + quoted(name) + " of " + next.relation + " is gone",
                          "Bring the column back, or remove the source and add the table under a "
                          "new name with another key.");
    }
  }
  for (std::string& name : next.excluded) rename(renamed, name);
  std::erase_if(next.excluded,
                [&](const std::string& name) { return find_column(table, name) == nullptr; });
  if (next.time) {
    rename(renamed, *next.time);
    if (find_column(table, *next.time) == nullptr) next.time.reset();
  }
  if (next.hash_column) {
    rename(renamed, *next.hash_column);
    if (find_column(table, *next.hash_column) == nullptr) {
      return cannot_go_on(
          next, "hash column " + quoted(*next.hash_column) + " of " + next.relation + " is gone",
          "Bring the column back, or remove the source and add the table under a new name.");
    }
  }
  return {};
}

// That the values of columns which were not covered before can be hashed.
Result<void> check_new_columns(pg::Connection& source, const SourceDefinition& next,
                               const StreamedTable& table) {
  const auto shape = describe_table(source, next.relation);
  // The stream may be behind the catalog; then what it says counts, and its texts are what they are.
  if (!shape.ok() || shape->oid != table.oid) return {};
  for (const ColumnDefinition& column : next.columns) {
    const TableColumn* now = shape->column(column.name);
    if (now == nullptr || now->refused.empty()) continue;
    return reject("column " + quoted(column.name) + " of " + next.relation +
                      " cannot be covered: " + now->refused,
                  "Drop the column or change its type; or remove source " + next.source +
                      " and add the table under a new name with --exclude " + column.name + ".");
  }
  return {};
}

}  // namespace

Result<Fit> fit_definition(pg::Connection& source, const SourceDefinition& current,
                           const KnownColumns& known, const StreamedTable& table) {
  Fit fit{current, false, known};
  SourceDefinition& next = fit.definition;
  TRY(const auto types, type_names(source, table));
  TRY(const auto relation, source.query("SELECT quote_ident($1) || '.' || quote_ident($2)",
                                        pg::Params().text(table.schema).text(table.name)));
  TRY(next.relation, relation.get<std::string>(0, 0));

  std::vector<std::string> names;
  for (const auto& column : table.columns) names.push_back(column.name);
  if (names != known.names) {
    TRY(const KnownColumns now, columns_in_catalog(source, table.oid));
    TRY_VOID(carry_over(next, find_renamings(known, now, table), table));
    fit.known = {};
    for (std::size_t i = 0; i < now.names.size(); ++i) {
      if (!contains(names, now.names[i])) continue;
      fit.known.names.push_back(now.names[i]);
      fit.known.numbers.push_back(now.numbers[i]);
    }
  }
  next.columns.clear();
  if (next.content == ContentKind::kRow) {
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const auto& column = table.columns[i];
      if (contains(next.excluded, column.name)) continue;
      next.columns.push_back({column.name, types[i], column.typmod});
    }
    if (next.columns.empty()) {
      return cannot_go_on(next, "no column of " + next.relation + " is covered any more",
                          "Give the table a column that can be covered, or remove the source.");
    }
  }
  // What was renamed before is told by the definition of that time, not by each one after it.
  SourceDefinition as_before = next;
  as_before.renamed = current.renamed;
  if (as_before == current) {
    next = current;
    return fit;
  }
  TRY_VOID(check_new_columns(source, next, table));
  std::vector<std::string> covered;
  for (const ColumnDefinition& column : next.columns) covered.push_back(column.name);
  TRY(next.types, used_types(source, table.oid, covered));
  TRY(const auto version, source.query("SELECT current_setting('server_version')"));
  TRY(next.server_version, version.get<std::string>(0, 0));
  next.number = current.number + 1;
  fit.changed = true;
  return fit;
}

Result<KnownColumns> columns_in_catalog(pg::Connection& source, std::uint32_t oid) {
  TRY(const auto rows, source.query(R"sql(
    SELECT coalesce(array_agg(attname::text ORDER BY attnum), '{}'),
           coalesce(array_agg(attnum::int8 ORDER BY attnum), '{}')
      FROM pg_attribute
     WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '')sql",
                                    pg::Params().int8(oid)));
  KnownColumns known;
  TRY(known.names, rows.get<std::vector<std::string>>(0, 0));
  TRY(known.numbers, rows.get<std::vector<std::int64_t>>(0, 1));
  return known;
}

Result<std::vector<std::optional<std::uint32_t>>> tables_to_follow(
    pg::Connection& source, const std::vector<std::string>& relations,
    const std::vector<std::int64_t>& known) {
  // Not by to_regclass(), which fails where a right on a schema is missing.
  TRY(const auto rows, source.query(R"sql(
    SELECT coalesce(named.oid, k.oid)
      FROM unnest($1::text[], $2::int8[]) WITH ORDINALITY AS a(name, known, place)
      LEFT JOIN (SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
                   FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                  WHERE c.relkind IN ('r', 'p')) AS named USING (name)
      LEFT JOIN pg_class AS k ON k.oid = a.known::oid AND k.relkind IN ('r', 'p')
     ORDER BY a.place)sql",
                                    pg::Params().text_array(relations).int8_array(known)));
  std::vector<std::optional<std::uint32_t>> tables;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(tables.emplace_back(), rows.get<std::optional<std::uint32_t>>(r, 0));
  }
  return tables;
}

Result<std::optional<std::uint32_t>> table_to_follow(pg::Connection& source,
                                                     const std::string& relation,
                                                     std::uint32_t known) {
  TRY(const auto tables, tables_to_follow(source, {relation}, {known}));
  return tables.front();
}

Error table_is_gone(const std::string& relation) {
  return reject("table " + relation + " is gone", kMakeItAnew);
}

Result<void> follow(pg::Connection& source, StreamSource& its, std::uint32_t table) {
  if (table == its.relation) return {};
  TRY(const KnownColumns now, columns_in_catalog(source, table));
  its.relation = table;
  for (std::size_t i = 0; i < its.columns.size(); ++i) {
    const auto place = std::find(now.names.begin(), now.names.end(), its.columns[i]);
    // No column has number 0, so that none of the new table's is taken for one with another name.
    its.attributes[i] = place == now.names.end()
                            ? 0
                            : now.numbers[static_cast<std::size_t>(place - now.names.begin())];
  }
  return {};
}

Result<StreamedTable> table_in_catalog(pg::Connection& source, std::uint32_t oid) {
  TRY(const auto rows, source.query(R"sql(
    SELECT n.nspname::text, c.relname::text, a.attname::text, a.atttypid, a.atttypmod
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      JOIN pg_attribute AS a ON a.attrelid = c.oid
     WHERE c.oid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
     ORDER BY a.attnum)sql",
                                    pg::Params().int8(oid)));
  if (rows.empty()) {
    return reject(fmt::format("the table with oid {} is gone", oid), kMakeItAnew);
  }
  StreamedTable table;
  table.oid = oid;
  TRY(table.schema, rows.get<std::string>(0, 0));
  TRY(table.name, rows.get<std::string>(0, 1));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    StreamedTable::Column column;
    TRY(column.name, rows.get<std::string>(r, 2));
    TRY(column.type, rows.get<std::uint32_t>(r, 3));
    TRY(column.typmod, rows.get<std::int32_t>(r, 4));
    table.columns.push_back(std::move(column));
  }
  return table;
}

Result<ChangeTracking> change_tracking(pg::Connection& source, std::uint32_t oid,
                                       const SourceDefinition& definition) {
  // The replica identity that counts is that of the table which holds the row.
  TRY(const auto rows, source.query(R"sql(
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relreplident::text,
           ARRAY(SELECT a.attname::text FROM pg_index AS i
                   JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1])
                  WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
                    AND (c.relreplident = 'd' AND i.indisprimary
                         OR c.relreplident = 'i' AND i.indisreplident)),
           ARRAY(SELECT a.attname::text FROM pg_attribute AS a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND c.reltoastrelid <> 0 AND a.attlen = -1 AND a.attstorage <> 'p')
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r'
       AND c.oid IN (SELECT $1::oid UNION SELECT relid FROM pg_partition_tree($1::oid::regclass))
     ORDER BY 1)sql",
                                    pg::Params().int8(oid)));
  ChangeTracking tracking{true, "", "", {}};
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto name, rows.get<std::string>(r, 0));
    TRY(const auto identity, rows.get<std::string>(r, 1));
    TRY(const auto columns, rows.get<std::vector<std::string>>(r, 2));
    TRY(const auto toastable, rows.get<std::vector<std::string>>(r, 3));
    if (identity == "f") continue;
    if (columns.empty()) {
      tracking.obstacle = name + " has no replica identity";
    } else if (has_position_key(definition)) {
      tracking.obstacle = "the source has no key, so that " + name + " needs replica identity full";
    }
    for (const std::string& key : definition.key) {
      if (!tracking.obstacle.empty() || contains(columns, key)) continue;
      tracking.obstacle =
          "key column " + quoted(key) + " is not in the replica identity of " + name;
    }
    if (!tracking.obstacle.empty()) {
      tracking.possible = false;
      tracking.remedy = "ALTER TABLE " + name + " REPLICA IDENTITY FULL;";
      return tracking;
    }
    const auto add = [&](const std::string& column) {
      if (contains(toastable, column) && !contains(tracking.toasted, column)) {
        tracking.toasted.push_back(column);
        tracking.remedy = "ALTER TABLE " + name + " REPLICA IDENTITY FULL;";
      }
    };
    for (const ColumnDefinition& column : definition.columns) add(column.name);
    for (const std::string& column : definition.key) add(column);
    if (definition.hash_column) add(*definition.hash_column);
  }
  return tracking;
}

Result<void> complete_plan(pg::Connection& source, SourcePlan& plan) {
  SourceDefinition& definition = plan.definition;
  if (definition.key.empty()) {
    if (plan.table->column(kPositionKey) != nullptr) {
      return reject(plan.table->qualified + " has a column " + quoted(kPositionKey) +
                        ", which is what the key of a table without one is called",
                    "Name the columns of its key with --key.");
    }
    definition.key = {kPositionKey};
    plan.warnings.push_back(
        "without a key, an entry is told by its place in the stream (commit LSN/number), and rows "
        "cannot be found again by it");
  }
  if (plan.table->kind == 'p') {
    plan.warnings.push_back(
        "truncating, detaching or dropping a single partition does not come with the stream; "
        "comparing the table with the log (pgtally sweep) finds what is gone");
  }
  TRY(const ChangeTracking tracking, change_tracking(source, plan.table->oid, definition));
  plan.track_changes = tracking.possible;
  if (!tracking.possible) {
    plan.warnings.push_back(
        "updates and deletes are not recorded: " + tracking.obstacle +
        ". To have them recorded, run this before adding the source: " + tracking.remedy);
    return {};
  }
  if (tracking.toasted.empty()) return {};
  return reject(
      fmt::format(
          "an update that leaves a long value of {} alone does not bring it into the stream",
          fmt::join(tracking.toasted, ", ")),
      "Run this first, so that the old row comes with each change:\n" + tracking.remedy +
          "\nOr leave these columns out with --exclude.");
}

}  // namespace pgtally
