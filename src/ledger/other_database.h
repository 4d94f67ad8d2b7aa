// Databases that sources are in and the ledger is not.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "postgres/connection.h"
#include "postgres/conninfo.h"

namespace pgtally {

struct OtherDatabase {
  std::unique_ptr<pg::Connection> connection;  // after prepare_session()
  pg::Endpoint endpoint;
  std::string user;  // who is connected
};

// That sources can be in this database: version 14 or newer, and text of a known encoding.
[[nodiscard]] Result<void> check_source_server(pg::Connection& connection,
                                               const std::string& place);

// With what to do about it, where the database of a source that is registered cannot be reached.
[[nodiscard]] Error unreachable_source(Error error);

// Connects to where the URI leads. Nothing if that is the ledger's own database, however it is
// written. Errors never show a password.
[[nodiscard]] Result<std::optional<OtherDatabase>> open_other_database(const Ledger& ledger,
                                                                       const std::string& uri);

// The same by its registered endpoint, for looking at the tables of a source. Needs the rights of the
// ledger's owner. Nothing for a source of the ledger's own database.
[[nodiscard]] Result<std::optional<OtherDatabase>> open_database_of(const Ledger& ledger,
                                                                    std::int32_t source_id);

}  // namespace pgtally
