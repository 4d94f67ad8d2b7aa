// Every source with what it was added with, read at once: for comparing tables, files and registry.
#pragma once

#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/source_plan.h"
#include "pgtally/definition.h"
#include "pgtally/result.h"

namespace pgtally {

struct RegisteredSource {
  std::string name;
  std::string mode;
  std::string state;     // active, paused or removed
  std::string database;  // conninfo, as pg::endpoint_of() made it; empty: the ledger's own
  bool track_changes = false;
  bool skip_existing = false;
  bool keep_data = false;
  std::string writer;           // of an append source
  SourceDefinition definition;  // the newest
};

// In the order in which they were added, removed ones included; without the ledger's own two.
[[nodiscard]] Result<std::vector<RegisteredSource>> read_registered(const Ledger& ledger);

// What a request for a source of this name asks for and it is not, a line each; what the request
// leaves open is as it may be. `relation` is the table that the request names, qualified as SQL
// writes it; its database is a conninfo as pg::endpoint_of() makes it. Passwords are not compared.
[[nodiscard]] std::vector<std::string> differences(const RegisteredSource& source,
                                                   const SourceRequest& request,
                                                   const std::string& relation);

}  // namespace pgtally
