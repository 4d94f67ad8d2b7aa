#include "capture/logical_setup.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "ledger/session_settings.h"
#include "postgres/quote.h"
#include "postgres/transaction.h"

namespace pgtally {
namespace {

Result<std::string> qualified_name(pg::Connection& source, std::uint32_t oid) {
  TRY(const auto rows,
      source.query(
          "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class AS c "
          "JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = $1::oid",
          pg::Params().int8(oid)));
  if (rows.empty()) return reject(fmt::format("the table with oid {} is gone", oid));
  return rows.get<std::string>(0, 0);
}

const char* options_of(bool changes) {
  return changes ? "publish = 'insert, update, delete, truncate', publish_via_partition_root = true"
                 : "publish = 'insert, truncate', publish_via_partition_root = true";
}

Error cannot_publish(const Error& error, const std::string& table) {
  return Error{error.code, "publishing " + table + " failed: " + error.message,
               error.hint.empty()
                   ? "Publishing a table needs its ownership, and CREATE on the database."
                   : error.hint};
}

}  // namespace

Result<pg::Connection> open_source(const std::string& conninfo) {
  TRY(auto connection, pg::Connection::open(conninfo));
  TRY_VOID(prepare_session(connection));
  return connection;
}

Result<SlotState> read_slot(pg::Connection& source, const std::string& slot) {
  SlotState state;
  // What exactly happened to it is a column of PostgreSQL 16 and later.
  TRY(const auto rows, source.query(R"sql(
    SELECT s.slot_name IS NOT NULL, coalesce(s.active, false),
           coalesce(s.wal_status = 'lost' OR s.confirmed_flush_lsn IS NULL, false),
           coalesce('wal_status ' || s.wal_status
                    || coalesce(', ' || (to_jsonb(s) ->> 'invalidation_reason'), ''), ''),
           coalesce(s.confirmed_flush_lsn, '0/0'),
           coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0)::int8,
           coalesce(s.database::text, ''), (SELECT system_identifier::text FROM pg_control_system()),
           pg_current_wal_flush_lsn(), current_setting('max_slot_wal_keep_size'),
           coalesce(s.database = current_database(), true)
      FROM (VALUES ($1)) AS asked(name)
      LEFT JOIN pg_replication_slots AS s ON s.slot_name = asked.name)sql",
                                    pg::Params().text(slot)));
  TRY(state.exists, rows.get<bool>(0, 0));
  TRY(state.active, rows.get<bool>(0, 1));
  TRY(state.lost, rows.get<bool>(0, 2));
  TRY(state.why_lost, rows.get<std::string>(0, 3));
  TRY(state.confirmed.value, rows.get<std::uint64_t>(0, 4));
  TRY(state.retained, rows.get<std::int64_t>(0, 5));
  TRY(state.database, rows.get<std::string>(0, 6));
  TRY(state.system_identifier, rows.get<std::string>(0, 7));
  TRY(state.server_position.value, rows.get<std::uint64_t>(0, 8));
  TRY(state.retain_limit, rows.get<std::string>(0, 9));
  TRY(state.is_here, rows.get<bool>(0, 10));
  return state;
}

Result<void> ensure_publications(pg::Connection& source, const Stream& stream) {
  for (const bool changes : {true, false}) {
    const std::string& name = changes ? stream.publication : stream.insert_publication;
    TRY(const auto rows,
        source.query("SELECT FROM pg_publication WHERE pubname = $1", pg::Params().text(name)));
    if (!rows.empty()) continue;
    TRY(const auto quoted_name, pg::quote_identifier(name));
    TRY_VOID(source.execute(
        fmt::format("CREATE PUBLICATION {} WITH ({})", quoted_name, options_of(changes))));
  }
  return {};
}

Result<bool> has_publications(pg::Connection& source, const Stream& stream) {
  TRY(const auto rows,
      source.query("SELECT count(*) = 2 FROM pg_publication WHERE pubname IN ($1, $2)",
                   pg::Params().text(stream.publication).text(stream.insert_publication)));
  return rows.get<bool>(0, 0);
}

Result<std::vector<PublishedTable>> published_tables(pg::Connection& source, const Stream& stream) {
  TRY(const auto rows,
      source.query(R"sql(
    SELECT r.prrelid, quote_ident(n.nspname) || '.' || quote_ident(c.relname), p.pubname = $1,
           -- PostgreSQL 14 has neither column.
           num_nonnulls(to_jsonb(r) ->> 'prattrs', to_jsonb(r) ->> 'prqual') > 0
           OR NOT (p.pubinsert AND p.pubtruncate AND p.pubviaroot
                   AND (p.pubname <> $1 OR p.pubupdate AND p.pubdelete))
      FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
      JOIN pg_class AS c ON c.oid = r.prrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE p.pubname IN ($1, $2) ORDER BY r.prrelid)sql",
                   pg::Params().text(stream.publication).text(stream.insert_publication)));
  std::vector<PublishedTable> tables;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    PublishedTable table;
    TRY(table.oid, rows.get<std::uint32_t>(r, 0));
    TRY(table.qualified, rows.get<std::string>(r, 1));
    TRY(table.changes, rows.get<bool>(r, 2));
    TRY(table.in_part, rows.get<bool>(r, 3));
    tables.push_back(std::move(table));
  }
  return tables;
}

Result<void> publish(pg::Connection& source, const Stream& stream, std::uint32_t oid,
                     bool changes) {
  TRY(const auto table, qualified_name(source, oid));
  TRY(const auto tables, published_tables(source, stream));
  TRY(const auto wanted,
      pg::quote_identifier(changes ? stream.publication : stream.insert_publication));
  TRY(const auto other,
      pg::quote_identifier(changes ? stream.insert_publication : stream.publication));
  std::string script;
  bool is_there = false;
  for (const PublishedTable& published : tables) {
    if (published.oid != oid) continue;
    if (published.changes == changes && !published.in_part) {
      is_there = true;
      continue;
    }
    script += fmt::format("ALTER PUBLICATION {} DROP TABLE {};",
                          published.changes == changes ? wanted : other, table);
    if (published.changes != changes) continue;
    script += fmt::format("ALTER PUBLICATION {} SET ({});", wanted, options_of(changes));
  }
  if (!is_there) script += fmt::format("ALTER PUBLICATION {} ADD TABLE {};", wanted, table);
  if (script.empty()) return {};
  auto done = source.execute(script);
  if (!done.ok()) return cannot_publish(done.error(), table);
  return {};
}

Result<void> unpublish_others(pg::Connection& source, const Stream& stream,
                              const std::vector<std::uint32_t>& wanted) {
  TRY(const auto tables, published_tables(source, stream));
  for (const PublishedTable& table : tables) {
    if (std::find(wanted.begin(), wanted.end(), table.oid) != wanted.end()) continue;
    TRY(const auto name,
        pg::quote_identifier(table.changes ? stream.publication : stream.insert_publication));
    TRY_VOID(
        source.execute(fmt::format("ALTER PUBLICATION {} DROP TABLE {}", name, table.qualified)));
  }
  return {};
}

Result<void> drop_slot(pg::Connection& source, const std::string& slot, SlotOf of) {
  TRY([[maybe_unused]] const auto rows,
      source.query("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
                   "WHERE slot_name = $1 AND ($2 OR database = current_database())",
                   pg::Params().text(slot).boolean(of == SlotOf::kCluster)));
  return {};
}

Result<void> drop_objects(pg::Connection& source, const Stream& stream) {
  auto dropped = drop_slot(source, stream.slot, SlotOf::kDatabase);
  if (!dropped.ok()) {
    if (source.last_sqlstate() != "55006") return dropped;
    return retry("replication slot " + stream.slot + " is in use",
                 "A service streams from it. It drops the slot itself when it sees that no source "
                 "needs it any more.");
  }
  for (const std::string& publication : {stream.publication, stream.insert_publication}) {
    TRY(const auto name, pg::quote_identifier(publication));
    TRY_VOID(source.execute("DROP PUBLICATION IF EXISTS " + name));
  }
  return {};
}

Result<void> retire_stream(const Ledger& ledger, const Stream& stream) {
  TRY(auto source, open_source(stream.conninfo));
  TRY_VOID(drop_objects(source, stream));
  return forget_stream(ledger, stream.id);
}

}  // namespace pgtally
