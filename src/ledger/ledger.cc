#include "ledger/ledger.h"

#include "base/encoding.h"
#include "ledger/session_settings.h"
#include "ledger/sql_text.h"

namespace pgtally {
namespace {

Error no_ledger(const std::string& database, const std::string& schema) {
  return operator_error(
      "there is no ledger in schema " + schema + " of database " + quoted(database),
      "Make one with: pgtally init --origin example.org/name\n"
      "Or name another database with --database, --embedded or PGTALLY_DATABASE.");
}

}  // namespace

Result<void> check_schema_name(std::string_view schema) {
  const bool fits =
      !schema.empty() && schema.size() <= 40 &&
      schema.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos &&
      (schema[0] < '0' || schema[0] > '9') && !schema.starts_with("pg_");
  if (fits) return {};
  return reject("a ledger cannot live in a schema named " + quoted(schema),
                "Use up to 40 of a-z, 0-9 and _, not starting with a digit or pg_.");
}

std::string bytea_literal(ByteView bytes) {
  return "'\\x" + to_hex(bytes) + "'::bytea";
}

std::string Ledger::sql(std::string_view text) const {
  SchemaNames names;
  names.schema = schema_;
  return adapted(text, names);
}

Result<pg::Rows> Ledger::query(std::string_view text, const pg::Params& params) const {
  return connection_->query(sql(text), params);
}

Result<void> Ledger::execute(std::string_view text) const {
  return connection_->execute(sql(text));
}

Result<Ledger> Ledger::open(pg::Connection& connection, std::string schema) {
  TRY(Ledger ledger, open_older(connection, std::move(schema)));
  if (ledger.schema_version_ < kSchemaVersion) {
    return operator_error("the ledger's schema is of version " +
                              std::to_string(ledger.schema_version_) + ", this program needs " +
                              std::to_string(kSchemaVersion),
                          "Bring it up to date, as its owner, with: pgtally upgrade");
  }
  return ledger;
}

Result<Ledger> Ledger::open_older(pg::Connection& connection, std::string schema) {
  TRY_VOID(check_schema_name(schema));
  TRY_VOID(prepare_session(connection));
  Ledger ledger(connection, std::move(schema));
  TRY(const auto there,
      connection.query("SELECT EXISTS (SELECT FROM pg_class WHERE relname = 'ledger' AND "
                       "relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)), "
                       "current_database()::text, current_setting('server_encoding'), "
                       "current_user::text",
                       pg::Params().text(ledger.schema_)));
  TRY(const bool exists, there.get<bool>(0, 0));
  TRY(const auto database, there.get<std::string>(0, 1));
  TRY(const auto encoding, there.get<std::string>(0, 2));
  TRY(const auto user, there.get<std::string>(0, 3));
  if (encoding != "UTF8") {
    return operator_error("database " + quoted(database) + " has encoding " + encoding,
                          "pgtally needs a database with encoding UTF8.");
  }
  if (!exists) return no_ledger(database, ledger.schema_);

  auto rows =
      ledger.query("SELECT origin, vkey, schema_version, oldest_version FROM pgtally.ledger");
  if (!rows.ok()) {
    if (connection.last_sqlstate() == "42501") {
      return operator_error("user " + quoted(user) + " may not read the ledger in schema " +
                                ledger.schema_ + " of database " + quoted(database),
                            "Let its owner grant one of the ledger's roles, for example: GRANT \"" +
                                with_roles(database, ledger.schema_).reader + "\" TO " + user);
    }
    return std::move(rows).error();
  }
  if (rows->empty()) return no_ledger(database, ledger.schema_);
  TRY(ledger.origin_, rows->get<std::string>(0, 0));
  TRY(ledger.vkey_, rows->get<std::string>(0, 1));
  TRY(ledger.schema_version_, rows->get<std::int32_t>(0, 2));
  TRY(const auto oldest, rows->get<std::int32_t>(0, 3));
  if (oldest > kSchemaVersion) {
    return operator_error("the ledger's schema needs a program of schema version " +
                              std::to_string(oldest) + ", this one knows " +
                              std::to_string(kSchemaVersion),
                          "Install a newer pgtally.");
  }
  return ledger;
}

}  // namespace pgtally
