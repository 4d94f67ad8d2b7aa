#include "ledger/other_database.h"

#include "ledger/session_settings.h"

namespace pgtally {
namespace {

Result<std::string> identity_of(pg::Connection& connection) {
  TRY(const auto rows,
      connection.query("SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || "
                       "(SELECT oid FROM pg_database WHERE datname = current_database())::text"));
  return rows.get<std::string>(0, 0);
}

Result<OtherDatabase> open_database(const std::string& conninfo) {
  auto connection = pg::Connection::open(conninfo);
  if (!connection.ok()) {
    return std::move(connection).error().within("connecting to the source's database");
  }
  OtherDatabase other;
  other.connection = std::make_unique<pg::Connection>(std::move(*connection));
  TRY(other.endpoint, pg::endpoint_of(conninfo, *other.connection));
  TRY_VOID(prepare_session(*other.connection));
  TRY(const auto rows, other.connection->query("SELECT current_user::text"));
  TRY(other.user, rows.get<std::string>(0, 0));
  return other;
}

}  // namespace

Result<void> check_source_server(pg::Connection& connection, const std::string& place) {
  constexpr int kOldest = 140000;
  if (connection.server_version() < kOldest) {
    return operator_error("the server at " + place + " is PostgreSQL " +
                          std::to_string(connection.server_version() / 10000) +
                          ", and sources need 14 or newer");
  }
  TRY(const auto rows, connection.query("SELECT current_setting('server_encoding')"));
  TRY(const auto encoding, rows.get<std::string>(0, 0));
  if (encoding != "SQL_ASCII") return {};  // text in any other encoding arrives as UTF-8
  return operator_error("the database at " + place + " has encoding SQL_ASCII",
                        "Nobody knows what its text means, so it cannot be hashed as UTF-8.");
}

Error unreachable_source(Error error) {
  if (error.code == ErrorCode::kOperator) {
    error.hint += (error.hint.empty() ? "" : "\n") +
                  std::string(
                      "If it is to be reached in another way now: pgtally source move NAME "
                      "--database URI");
  }
  return error;
}

Result<std::optional<OtherDatabase>> open_other_database(const Ledger& ledger,
                                                         const std::string& uri) {
  TRY(OtherDatabase other, open_database(uri));
  TRY(const std::string there, identity_of(*other.connection));
  TRY(const std::string here, identity_of(ledger.connection()));
  if (there == here) return std::optional<OtherDatabase>();
  return std::optional<OtherDatabase>(std::move(other));
}

Result<std::optional<OtherDatabase>> open_database_of(const Ledger& ledger,
                                                      std::int32_t source_id) {
  TRY(const auto rows,
      ledger.query("SELECT e.conninfo FROM pgtally.source AS s JOIN pgtally.endpoint AS e "
                   "USING (endpoint_id) WHERE s.source_id = $1",
                   pg::Params().int4(source_id)));
  if (rows.empty()) return std::optional<OtherDatabase>();
  TRY(const auto conninfo, rows.get<std::string>(0, 0));
  TRY(OtherDatabase other, open_database(conninfo));
  return std::optional<OtherDatabase>(std::move(other));
}

}  // namespace pgtally
