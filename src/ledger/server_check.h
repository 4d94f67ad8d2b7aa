// What a server, and the user who is connected to it, can do for a ledger and for its sources.
//
// Reading the facts changes nothing and needs no ledger; judging them is pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

struct ServerFacts {
  int version_number = 0;  // 150020
  std::string version;     // "15.20"
  std::string database;
  std::string encoding;
  std::string user;
  bool standby = false;
  bool fsync = true;
  std::string synchronous_commit;  // as a new session of this user gets it
  std::string wal_level;
  std::int64_t slots = 0;  // max_replication_slots
  std::int64_t used_slots = 0;
  std::int64_t prepared_limit = 0;  // max_prepared_transactions
  std::int64_t prepared = 0;        // transactions that are prepared now, in this database
  bool superuser = false;
  bool may_create = false;        // schemas and publications in this database
  bool may_create_roles = false;  // CREATEROLE
  bool may_replicate = false;     // REPLICATION, or what managed servers have in its place
};

[[nodiscard]] Result<ServerFacts> read_server_facts(pg::Connection& connection);

enum class Weight {
  kFine,
  kNote,   // works, but something does not, or should be known
  kStops,  // no ledger can be here
};

struct ServerFinding {
  std::string what;   // "wal_level"
  std::string value;  // "replica"
  Weight weight = Weight::kFine;
  std::string says;    // what that means; empty where it is fine
  std::string remedy;  // the SQL that changes it; may be empty
};

// In the order in which people look at them. A ledger that is there needs no rights to be made.
[[nodiscard]] std::vector<ServerFinding> judge_server(const ServerFacts& facts,
                                                      bool has_ledger = false);

// What is in the way of a ledger that is to be made in this schema: of its own name, and its roles'.
[[nodiscard]] Result<std::vector<ServerFinding>> check_names(pg::Connection& connection,
                                                             const std::string& schema);

[[nodiscard]] bool can_carry_ledger(const std::vector<ServerFinding>& findings);

}  // namespace pgtally
