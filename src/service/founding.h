// Founding a ledger: signing key, guard and schema, all of them or none.
#pragma once

#include <string>

#include "ledger/schema.h"
#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

struct FoundingRequest {
  std::string origin;
  std::string schema;
  std::string state_directory;
  std::string signing_key;  // a key file that is there already; empty: one is made
  Roles roles = Roles::kCreate;
  std::string notice = {};  // a document that its first entry but the definition records; or none
};

struct Founding {
  std::string vkey;
  std::string key_file;
  std::string guard_file;
};

// Refuses an origin whose guard exists, and a schema that does. A failure leaves nothing behind.
[[nodiscard]] Result<Founding> found_ledger(pg::Connection& connection,
                                            const FoundingRequest& request);

// The script that found_ledger() would run, with the key that is there, or one that is thrown away.
[[nodiscard]] Result<std::string> founding_script(pg::Connection& connection,
                                                  const FoundingRequest& request);

}  // namespace pgtally
