#include "ledger/server_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "ledger/sql_text.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

constexpr int kOldestServer = 140000;

// For SQL that people are shown; a name that cannot be quoted does not come from a catalog.
std::string identifier(const std::string& name) {
  auto quote = pg::quote_identifier(name);
  return quote.ok() ? *quote : name;
}

ServerFinding finding(std::string what, std::string value) {
  return {.what = std::move(what), .value = std::move(value), .says = {}, .remedy = {}};
}

ServerFinding yes_or_no(std::string what, bool is_so, Weight otherwise, std::string says,
                        std::string remedy) {
  ServerFinding it = finding(std::move(what), is_so ? "yes" : "no");
  if (is_so) return it;
  it.weight = otherwise;
  it.says = std::move(says);
  it.remedy = std::move(remedy);
  return it;
}

void judge_settings(const ServerFacts& facts, std::vector<ServerFinding>& out) {
  ServerFinding fsync = finding("fsync", facts.fsync ? "on" : "off");
  if (!facts.fsync) {
    fsync.weight = Weight::kNote;
    fsync.says = "a crash can take back rows that a signed checkpoint covers";
    fsync.remedy = "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();";
  }
  out.push_back(std::move(fsync));

  ServerFinding commit = finding("synchronous_commit", facts.synchronous_commit);
  if (facts.synchronous_commit == "off") {
    commit.weight = Weight::kNote;
    commit.says =
        "a crash can take back rows that applications committed; pgtally's own commits wait";
  }
  out.push_back(std::move(commit));

  ServerFinding wal = finding("wal_level", facts.wal_level);
  if (facts.wal_level != "logical") {
    wal.weight = Weight::kNote;
    wal.says = "mode logical needs logical";
    wal.remedy = "ALTER SYSTEM SET wal_level = 'logical';  -- then restart the server";
  }
  out.push_back(std::move(wal));

  ServerFinding slots =
      finding("max_replication_slots", fmt::format("{}, {} taken", facts.slots, facts.used_slots));
  if (facts.used_slots >= facts.slots) {
    slots.weight = Weight::kNote;
    slots.says = "mode logical needs one that is free";
    slots.remedy =
        fmt::format("ALTER SYSTEM SET max_replication_slots = {};  -- then restart the server",
                    facts.slots + 10);
  }
  out.push_back(std::move(slots));

  ServerFinding prepared =
      finding("max_prepared_transactions", std::to_string(facts.prepared_limit));
  if (facts.prepared > 0) {
    prepared.weight = Weight::kNote;
    prepared.says = fmt::format(
        "{} prepared in this database: rows that wait for a forgotten one wait for ever",
        facts.prepared);
    prepared.remedy = "SELECT gid, prepared, owner FROM pg_prepared_xacts ORDER BY prepared;";
  }
  out.push_back(std::move(prepared));
}

void judge_rights(const ServerFacts& facts, bool has_ledger, std::vector<ServerFinding>& out) {
  const std::string user = identifier(facts.user);
  out.push_back(yes_or_no(
      "CREATE on the database", facts.may_create, has_ledger ? Weight::kNote : Weight::kStops,
      has_ledger ? "mode logical needs it for its publication"
                 : "init makes a schema, and mode logical a publication",
      "GRANT CREATE ON DATABASE " + identifier(facts.database) + " TO " + user + ";"));
  if (!has_ledger) {
    out.push_back(yes_or_no("CREATEROLE", facts.may_create_roles, Weight::kNote,
                            "without it: pgtally init --roles none, or existing",
                            "ALTER ROLE " + user + " CREATEROLE;"));
  }
  out.push_back(yes_or_no("REPLICATION", facts.may_replicate, Weight::kNote,
                          "mode logical needs it", "ALTER ROLE " + user + " REPLICATION;"));
}

}  // namespace

Result<ServerFacts> read_server_facts(pg::Connection& connection) {
  ServerFacts facts;
  facts.version_number = connection.server_version();
  // reset_val: this session may have set its own already, and users are not told about that one.
  TRY(const auto rows, connection.query(R"sql(
    SELECT current_setting('server_version'), current_database()::text,
           current_setting('server_encoding'), current_user::text, pg_is_in_recovery(),
           current_setting('fsync')::boolean,
           (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'),
           current_setting('wal_level'), current_setting('max_replication_slots')::bigint,
           (SELECT count(*) FROM pg_replication_slots),
           current_setting('max_prepared_transactions')::bigint,
           (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()),
           r.rolsuper, has_database_privilege(current_database(), 'CREATE'),
           r.rolsuper OR r.rolcreaterole,
           r.rolsuper OR r.rolreplication OR EXISTS (
             SELECT FROM pg_roles AS m WHERE m.rolname = 'rds_replication'
                AND pg_has_role(m.oid, 'USAGE'))
      FROM pg_roles AS r WHERE r.rolname = current_user)sql"));
  TRY(facts.version, rows.get<std::string>(0, 0));
  TRY(facts.database, rows.get<std::string>(0, 1));
  TRY(facts.encoding, rows.get<std::string>(0, 2));
  TRY(facts.user, rows.get<std::string>(0, 3));
  TRY(facts.standby, rows.get<bool>(0, 4));
  TRY(facts.fsync, rows.get<bool>(0, 5));
  TRY(facts.synchronous_commit, rows.get<std::string>(0, 6));
  TRY(facts.wal_level, rows.get<std::string>(0, 7));
  TRY(facts.slots, rows.get<std::int64_t>(0, 8));
  TRY(facts.used_slots, rows.get<std::int64_t>(0, 9));
  TRY(facts.prepared_limit, rows.get<std::int64_t>(0, 10));
  TRY(facts.prepared, rows.get<std::int64_t>(0, 11));
  TRY(facts.superuser, rows.get<bool>(0, 12));
  TRY(facts.may_create, rows.get<bool>(0, 13));
  TRY(facts.may_create_roles, rows.get<bool>(0, 14));
  TRY(facts.may_replicate, rows.get<bool>(0, 15));
  return facts;
}

std::vector<ServerFinding> judge_server(const ServerFacts& facts, bool has_ledger) {
  std::vector<ServerFinding> out;
  ServerFinding version = finding("PostgreSQL", facts.version);
  if (facts.version_number < kOldestServer) {
    version.weight = Weight::kStops;
    version.says = "pgtally needs 14 or newer";
  }
  out.push_back(std::move(version));

  ServerFinding encoding = finding("encoding", facts.encoding);
  if (facts.encoding != "UTF8") {
    encoding.weight = Weight::kStops;
    encoding.says = "a ledger needs a database with encoding UTF8";
    encoding.remedy = "CREATE DATABASE ledger ENCODING 'UTF8' TEMPLATE template0;";
  }
  out.push_back(std::move(encoding));

  ServerFinding standby = finding("standby", facts.standby ? "yes" : "no");
  if (facts.standby) {
    standby.weight = Weight::kStops;
    standby.says = "nothing can be written here; connect to the primary";
  }
  out.push_back(std::move(standby));
  judge_settings(facts, out);
  judge_rights(facts, has_ledger, out);
  return out;
}

Result<std::vector<ServerFinding>> check_names(pg::Connection& connection,
                                               const std::string& schema) {
  std::vector<ServerFinding> out;
  TRY(const auto rows,
      connection.query(
          "SELECT current_database()::text, to_regnamespace(quote_ident($1)) IS NOT NULL",
          pg::Params().text(schema)));
  TRY(const auto database, rows.get<std::string>(0, 0));
  TRY(const bool is_taken, rows.get<bool>(0, 1));
  if (is_taken) {
    ServerFinding taken = finding("schema " + schema, "exists");
    taken.weight = Weight::kNote;
    taken.says = "and holds no ledger: pgtally init --schema NAME, with another name";
    out.push_back(std::move(taken));
  }
  const SchemaNames names = with_roles(database, schema);
  const std::vector<std::string> roles{names.writer, names.sequencer, names.reader};
  TRY(const auto known, connection.query("SELECT coalesce(array_agg(rolname::text), '{}') FROM "
                                         "pg_roles WHERE rolname = ANY($1)",
                                         pg::Params().text_array(roles)));
  TRY(const auto existing, known.get<std::vector<std::string>>(0, 0));
  for (const std::string& role : existing) {
    ServerFinding taken = finding("role " + role, "exists");
    taken.weight = Weight::kNote;
    taken.says = "pgtally init --roles existing uses it";
    out.push_back(std::move(taken));
  }
  return out;
}

bool can_carry_ledger(const std::vector<ServerFinding>& findings) {
  return std::none_of(findings.begin(), findings.end(),
                      [](const ServerFinding& f) { return f.weight == Weight::kStops; });
}

}  // namespace pgtally
