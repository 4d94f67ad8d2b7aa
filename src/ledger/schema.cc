#include "ledger/schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "ledger/ledger.h"
#include "ledger/sql_text.h"
#include "pgtally/merkle.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

constexpr int kOldestServer = 140000;
constexpr std::size_t kMaxRoleName = 63;

Result<std::string> role_statements(pg::Connection& connection, const SchemaNames& names,
                                    Roles roles) {
  std::string sql;
  for (const std::string& role : {names.writer, names.sequencer, names.reader}) {
    if (role.size() > kMaxRoleName) {
      return reject("the role name " + quoted(role, 80) + " is longer than 63 bytes",
                    "Choose a shorter schema with --schema, or --roles none.");
    }
    TRY(const auto rows, connection.query("SELECT count(*) > 0 FROM pg_roles WHERE rolname = $1",
                                          pg::Params().text(role)));
    TRY(const bool exists, rows.get<bool>(0, 0));
    if (roles == Roles::kCreate && exists) {
      return reject("role " + quoted(role) + " exists already",
                    "Use it with --roles existing, or do without roles with --roles none.");
    }
    if (roles == Roles::kExisting && !exists) {
      return reject("there is no role " + quoted(role),
                    "Let an administrator create it: CREATE ROLE \"" + role + "\" NOLOGIN");
    }
    TRY(const auto name, pg::quote_identifier(role));
    if (roles == Roles::kCreate) sql += "CREATE ROLE " + name + " NOLOGIN;\n";
  }
  return sql;
}

std::string_view name_of(Roles roles) {
  switch (roles) {
    case Roles::kCreate:
      return "create";
    case Roles::kExisting:
      return "existing";
    case Roles::kNone:
      break;
  }
  return "none";
}

SourceDefinition staging_definition(const std::string& schema, const std::string& server_version) {
  SourceDefinition definition;
  definition.source = "append_only_log";
  definition.relation = schema + ".append_only_log";
  definition.mode = "append";
  definition.key = {"id"};
  definition.content = ContentKind::kData;
  definition.server_version = server_version;
  return definition;
}

}  // namespace

Result<std::string> init_script(pg::Connection& connection, const InitRequest& request) {
  TRY_VOID(check_schema_name(request.schema));
  if (connection.server_version() < kOldestServer) {
    return operator_error(fmt::format("the server is PostgreSQL {}, pgtally needs 14 or newer",
                                      connection.server_version() / 10000));
  }
  TRY(const auto facts,
      connection.query("SELECT current_database()::text, current_setting('server_encoding'), "
                       "current_setting('server_version'), to_regnamespace($1) IS NOT NULL",
                       pg::Params().text(request.schema)));
  TRY(const auto database, facts.get<std::string>(0, 0));
  TRY(const auto encoding, facts.get<std::string>(0, 1));
  TRY(const auto server_version, facts.get<std::string>(0, 2));
  TRY(const bool occupied, facts.get<bool>(0, 3));
  if (encoding != "UTF8") {
    return operator_error("database " + quoted(database) + " has encoding " + encoding,
                          "pgtally needs a database with encoding UTF8.");
  }
  if (occupied) {
    return reject(
        "schema " + request.schema + " of database " + quoted(database) + " exists already",
        "Look at the ledger in it with: pgtally status\n"
        "Or choose another schema with --schema NAME.");
  }

  SchemaNames names;
  names.schema = request.schema;
  if (request.roles != Roles::kNone) names = with_roles(database, request.schema);
  std::string script = "SET LOCAL search_path = pg_catalog;\n";
  if (names.has_roles()) {
    TRY(const auto roles, role_statements(connection, names, request.roles));
    script += roles;
  }
  std::string sql;
  for (const SqlFile& file : sql_migrations()) sql += file.text;
  for (const SqlFile& file : sql_functions()) {
    if (names.has_roles() || file.name != "grants.sql") sql += file.text;
  }

  TRY(const auto origin, pg::quote_literal(request.definition.origin));
  TRY(const auto vkey, pg::quote_literal(request.definition.vkey));
  TRY(const auto ledger_document, encode(request.definition));
  TRY(const auto staging_document, encode(staging_definition(request.schema, server_version)));
  std::string writer = "NULL";
  if (names.has_roles()) {
    TRY(writer, pg::quote_literal(names.writer));
  }
  std::string notice;
  if (!request.notice.empty()) {
    notice =
        "SELECT " + request.schema + ".notice(" + bytea_literal(as_bytes(request.notice)) + ");\n";
  }
  // The values go in only after the names were adapted: an origin may begin with "pgtally.".
  const std::string entries = adapted(R"sql(
-- Who this ledger is, and its first entries.
INSERT INTO pgtally.ledger (origin, vkey, schema_version, oldest_version, roles)
VALUES ({origin}, {vkey}, {version}, {oldest}, '{roles}');
INSERT INTO pgtally.source (source_id, name, mode, blind, writer)
VALUES (0, 'pgtally', 'ledger', false, NULL), (1, 'append_only_log', 'append', true, {writer});
INSERT INTO pgtally.secret (source_id, secret) VALUES (1, {secret});
INSERT INTO pgtally.log_head (next_id, sequenced_at, next_ordinals)
VALUES (0, '1970-01-01 00:00:00+00', '{{}}');
INSERT INTO pgtally.round (since, since_self) VALUES (pg_current_snapshot(), pg_current_xact_id());
INSERT INTO pgtally.tree_head (size, root, frontier, guard_id)
VALUES (0, {root}, '', {guard});
SELECT pgtally.define(0, 0, {ledger});
{notice}SELECT pgtally.define(1, 0, {staging});
)sql",
                                      names);
  return script + adapted(sql, names) +
         fmt::format(fmt::runtime(entries), fmt::arg("origin", origin), fmt::arg("vkey", vkey),
                     fmt::arg("version", kSchemaVersion), fmt::arg("oldest", kOldestProgramVersion),
                     fmt::arg("writer", writer), fmt::arg("roles", name_of(request.roles)),
                     fmt::arg("secret", kRandomSecret), fmt::arg("notice", notice),
                     fmt::arg("root", bytea_literal(empty_root().view())),
                     fmt::arg("guard", bytea_literal(request.guard_id)),
                     fmt::arg("ledger", bytea_literal(as_bytes(ledger_document))),
                     fmt::arg("staging", bytea_literal(as_bytes(staging_document))));
}

}  // namespace pgtally
