// A connection to one ledger: its database, its schema, and who it is.
#pragma once

#include <string>
#include <string_view>

#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

// Migrations that this program brings. A ledger with fewer has to be upgraded first; one that needs
// a later program is refused.
inline constexpr std::int32_t kSchemaVersion = 7;
// A program that brings only this many still works on a ledger of kSchemaVersion, so that services
// can be replaced one by one. tests/database/ledger/upgrade_test.cc holds it to that.
inline constexpr std::int32_t kOldestProgramVersion = 1;
inline constexpr std::string_view kDefaultSchema = "pgtally";

// The connection must outlive the ledger and may be reset; then open the ledger again.
class Ledger {
 public:
  // Also brings the session into the state that pgtally relies on: pinned output formats, so that
  // values read the same everywhere; row_security off, so that a policy which hides rows is an
  // error; and a COMMIT that waits until it is durable. kOperator if there is no ledger, or one of
  // another version than this program can use.
  [[nodiscard]] static Result<Ledger> open(pg::Connection& connection, std::string schema);
  // One that is older than this program, too: for upgrading it.
  [[nodiscard]] static Result<Ledger> open_older(pg::Connection& connection, std::string schema);

  [[nodiscard]] pg::Connection& connection() const { return *connection_; }
  [[nodiscard]] const std::string& schema() const { return schema_; }
  [[nodiscard]] const std::string& origin() const { return origin_; }
  [[nodiscard]] const std::string& vkey() const { return vkey_; }
  [[nodiscard]] std::int32_t schema_version() const { return schema_version_; }

  // `sql` as in sql/, with this ledger's schema in place of `pgtally`.
  [[nodiscard]] std::string sql(std::string_view text) const;
  [[nodiscard]] Result<pg::Rows> query(std::string_view text, const pg::Params& params = {}) const;
  [[nodiscard]] Result<void> execute(std::string_view text) const;

 private:
  Ledger(pg::Connection& connection, std::string schema)
      : connection_(&connection), schema_(std::move(schema)) {}

  pg::Connection* connection_;
  std::string schema_;
  std::string origin_;
  std::string vkey_;
  std::int32_t schema_version_ = 0;
};

// Names that need no quotes: [a-z_][a-z0-9_]*, at most 40 bytes so that role names fit.
[[nodiscard]] Result<void> check_schema_name(std::string_view schema);

// An SQL expression for 32 bytes that nobody can guess: the server's own strong random numbers, so
// that a secret stands in no script and passes through no client.
inline constexpr const char* kRandomSecret =
    "sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || "
    "uuid_send(gen_random_uuid()))";

// For values that are written into SQL scripts: '\x…'.
[[nodiscard]] std::string bytea_literal(ByteView bytes);

}  // namespace pgtally
