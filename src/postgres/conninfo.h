// Connection strings that are kept: complete, so that they lead to the same database from any
// environment, and with what may be shown of them.
#pragma once

#include <string>

#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally::pg {

struct Endpoint {
  std::string conninfo;  // keywords and values; may hold a password
  std::string shown;     // the same without it
  std::string place;     // "host:port/database"
};

// Where `conninfo` led: what it says itself, and host, port, database and user as `connection`, which
// was opened with it, has them. A password is in it only where `conninfo` had it; otherwise libpq
// finds one in its usual places (PGPASSFILE) each time.
[[nodiscard]] Result<Endpoint> endpoint_of(const std::string& conninfo, Connection& connection);

// Whether `conninfo` says nothing that `endpoint`, a conninfo of endpoint_of(), does not. What a service
// file says is not looked up, and passwords are not compared.
[[nodiscard]] bool leads_to(const std::string& conninfo, const std::string& endpoint);

// Without its password, and cut to something that fits a message if it cannot be read.
[[nodiscard]] std::string without_password(const std::string& conninfo);

// The same connection, as a WAL sender of its database.
[[nodiscard]] Result<std::string> as_replication(const std::string& conninfo);

}  // namespace pgtally::pg
