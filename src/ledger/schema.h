// Making a ledger: the script that creates schema, roles, guards and the first entries.
#pragma once

#include <array>
#include <string>

#include "pgtally/definition.h"
#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

// The id of the guard that may sign for a head; 16 random bytes.
using GuardId = std::array<std::uint8_t, 16>;

enum class Roles {
  kCreate,    // create the three roles, which needs CREATEROLE, and grant to them
  kExisting,  // grant to the three roles, which exist
  kNone,      // no roles: the owner does everything
};

struct InitRequest {
  LedgerDefinition definition;
  GuardId guard_id;
  Roles roles = Roles::kCreate;
  std::string schema;
  std::string notice = {};  // a document that entry 1 records as a notice; or none
};

// The whole script but BEGIN and COMMIT. It reads the database's name and version from the
// connection and changes nothing. kReject if the schema, or a role that is to be created, exists.
[[nodiscard]] Result<std::string> init_script(pg::Connection& connection,
                                              const InitRequest& request);

}  // namespace pgtally
