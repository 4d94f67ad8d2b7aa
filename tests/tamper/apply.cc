#include "tamper/apply.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <sstream>
#include <stdexcept>

#include "base/encoding.h"
#include "pgtally/key.h"
#include "service/state_files.h"
#include "tamper/forger.h"
#include "torture/must.h"

namespace pgtally::tamper {
namespace {

using torture::must;

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

std::uint64_t id_of(const std::string& database, const EntryName& name) {
  std::vector<std::string_view> key(name.key.begin(), name.key.end());
  const std::string which =
      name.key.empty() ? "operation = 5"
                       : "operation = 1 AND key = '\\x" + to_hex(must(encode_key(key))) + "'";
  return std::stoull(sql(database,
                         "SELECT min(id) FROM pgtally.processed_log JOIN pgtally.source "
                         "USING (source_id) WHERE name = '" +
                             name.source + "' AND " + which));
}

// The triggers of a table, in the state that they are in.
std::string enable_triggers(const std::string& database, const std::string& table) {
  return sql(database,
             "SELECT coalesce(string_agg(format('ALTER TABLE %s ENABLE %s TRIGGER %I', "
             "tgrelid::regclass, CASE tgenabled WHEN 'A' THEN 'ALWAYS' ELSE '' END, "
             "tgname), ';'), '') FROM pg_trigger WHERE tgrelid = '" +
                 table + "'::regclass AND NOT tgisinternal AND tgenabled <> 'D'");
}

std::string in_its_way(const std::string& database, const Kind& kind) {
  switch (kind.way) {
    case Way::kSql:
      return kind.sql;
    case Way::kReplica:
      return "SET session_replication_role = replica;" + kind.sql;
    case Way::kTriggersOff:
      return "ALTER TABLE " + kind.table + " DISABLE TRIGGER USER;" + kind.sql + ";" +
             enable_triggers(database, kind.table);
    case Way::kChecksOff:
      return "ALTER TABLE " + kind.table + " DROP CONSTRAINT xid_is_the_writers_own;" + kind.sql +
             ";ALTER TABLE " + kind.table +
             " ADD CONSTRAINT xid_is_the_writers_own CHECK (xid = pg_current_xact_id()) NOT VALID";
  }
  throw std::logic_error("no such way");
}

void forge(const Specimen& specimen, const std::string& database, const Kind& kind,
           std::uint64_t id) {
  using Forged = Kind::Forged;
  if (kind.forged == Forged::kTile) forge_tile(database, id);
  if (kind.forged <= Forged::kTile) return;
  forge_tree(database);
  if (kind.forged == Forged::kTree) return;
  const bool real = kind.forged == Forged::kSigned;
  forge_checkpoints(
      database, real ? must(read_signing_key(StateFiles::of(specimen.state(), kOrigin), kOrigin))
                     : must(SigningKey::from_seed(kOrigin, {7, 7, 7})));
}

// A value that is another one, for each type that the tables have. {0} is the column.
const std::map<std::string, std::string>& other_values() {
  static const std::map<std::string, std::string> values{
      {"text", "coalesce({0}, '') || 'x'"},
      {"character varying", "coalesce({0}, '') || 'x'"},
      {"character", "overlay({0} PLACING 'x' FROM 1)"},
      {"integer", "{0} + 1"},
      {"bigint", "{0} + 1"},
      {"numeric", "coalesce({0}, 0) + 1"},
      {"real", "{0} + 1"},
      {"double precision", "{0} + 1"},
      {"boolean", "NOT {0}"},
      {"date", "{0} + 1"},
      {"timestamp with time zone", "{0} + interval '1 second'"},
      {"timestamp without time zone", "{0} + interval '1 second'"},
      {"uuid", "gen_random_uuid()"},
      {"inet", "{0} + 1"},
      {"jsonb", "{0} || '{{\"x\": 1}}'"},
      {"bytea", "{0} || '\\x00'"},
      {"text[]", "{0} || 'x'::text"},
      {"mood", "CASE WHEN {0} = 'ok' THEN 'sad'::mood ELSE 'ok' END"},
      {"bit", "~{0}"},
      {"int4range", "int4range(1, 2)"},
      {"address", "ROW('x', 'y')::address"},
      {"xid8", "'4'"},
      {"money", "{0} + '1'::money"},
      {"tstzrange", "'empty'"},
      {"box", "{0} + point(1, 0)"},
      {"interval", "{0} + interval '1 second'"},
      {"time without time zone", "{0} + interval '1 second'"},
      {"macaddr", "~{0}"},
      {"xml", "'<x/>'::xml"},
  };
  return values;
}

}  // namespace

std::string with_ids(std::string sql, const std::vector<std::uint64_t>& ids) {
  for (std::size_t n = 0; n < ids.size(); ++n) {
    const std::string mark = fmt::format("@{}@", n);
    for (std::size_t at = 0; (at = sql.find(mark, at)) != std::string::npos;) {
      sql.replace(at, mark.size(), std::to_string(ids[n]));
    }
  }
  return sql;
}

std::vector<std::uint64_t> ids_of(const Specimen& specimen, const std::string& database,
                                  const std::vector<EntryName>& entries) {
  std::vector<std::uint64_t> ids;
  for (const EntryName& name : entries) ids.push_back(id_of(specimen.conninfo(database), name));
  return ids;
}

std::vector<Sought> sought_of(const std::string& name, const std::vector<Expected>& expected,
                              const std::vector<std::uint64_t>& ids) {
  std::vector<Sought> all;
  for (const Expected& each : expected) {
    all.push_back({name, each, {}});
    if (each.entry >= 0) all.back().id = ids.at(static_cast<std::size_t>(each.entry));
  }
  return all;
}

std::vector<Sought> apply(const Specimen& specimen, const std::string& database, const Kind& kind) {
  const std::string home = specimen.conninfo(database);
  const auto ids = ids_of(specimen, database, kind.entries);
  Kind now = kind;
  now.sql = with_ids(kind.sql, ids);
  sql(home, in_its_way(home, now));
  if (!kind.then.empty()) sql(home, kind.then);
  if (kind.rehash) rehash(home, kind.entries.at(0).source, ids.at(0));
  if (kind.forged != Kind::Forged::kNothing) forge(specimen, home, kind, ids.at(0));
  return sought_of(kind.name, kind.expected, ids);
}

std::vector<Sought> apply_behind_stream(const Specimen& specimen, const std::vector<Kind>& kinds) {
  const std::string home = specimen.conninfo();
  const std::string publication = sql(home, "SELECT quote_ident(publication) FROM pgtally.stream");
  sql(home, "ALTER PUBLICATION " + publication + " DROP TABLE stock");
  std::vector<Sought> all;
  for (const Kind& kind : kinds) {
    const auto sought = apply(specimen, Specimen::kName, kind);
    all.insert(all.end(), sought.begin(), sought.end());
  }
  sql(home, "ALTER PUBLICATION " + publication + " ADD TABLE stock");
  return all;
}

Sought narrow_stream(const Specimen& specimen, const std::string& name) {
  const std::string home = specimen.conninfo();
  const std::string publication = sql(home, "SELECT quote_ident(publication) FROM pgtally.stream");
  sql(home, "ALTER PUBLICATION " + publication +
                " SET TABLE stock (sku, quantity, price, span, dims, lead, checked, mac, doc)");
  sql(home, "SELECT write_stock(95000, 95009)");
  specimen.run_service();
  return {name, {"narrowed", "stock"}, {}};
}

ColumnEdits column_edits(const Specimen& specimen, const std::vector<std::string>& tables) {
  static const std::map<std::string, Way> ways{{"account", Way::kTriggersOff},
                                               {"event", Way::kChecksOff},
                                               {"package", Way::kReplica},
                                               {"payment", Way::kReplica},
                                               {"stock", Way::kSql}};
  static const std::set<std::pair<std::string, std::string>> not_covered{
      {"event", "note"}, {"event", "xid"}, {"payment", "internal"}, {"payment", "total"}};
  ColumnEdits edits;
  int row = 3000;
  for (const std::string& table : tables) {
    const std::string columns = sql(
        specimen.conninfo(),
        "SELECT attname || '|' || format_type(atttypid, NULL) || '|' || attgenerated::text FROM "
        "pg_attribute WHERE attrelid = '" +
            table +
            "'::regclass AND attnum > 0 AND NOT "
            "attisdropped AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = attrelid AND "
            "indisprimary AND attnum = ANY(indkey)) ORDER BY attnum");
    for (const std::string& line : lines(columns)) {
      const std::size_t bar = line.find('|');
      const std::size_t second = line.find('|', bar + 1);
      const std::string column = line.substr(0, bar);
      const std::string type = line.substr(bar + 1, second - bar - 1);
      const bool covered = !not_covered.contains({table, column});
      if (!covered) edits.not_covered.emplace_back(table, column);
      if (line.size() > second + 1) continue;  // generated: nobody can write it
      const Key key = key_of(table, ++row);
      Kind kind{"column " + table + "." + column, ways.at(table), table, "", {}};
      kind.sql = fmt::format("UPDATE {} SET {} = {} WHERE {} = '{}'", table, column,
                             fmt::format(fmt::runtime(other_values().at(type)), column),
                             table == "package" ? "name"
                             : table == "stock" ? "sku"
                                                : "id",
                             key[0]);
      if (covered) kind.expected = {changed(table, key)};
      edits.kinds.push_back(std::move(kind));
    }
  }
  return edits;
}

}  // namespace pgtally::tamper
