// The database that the command line and the environment name. Opened when first asked for.
//
// Invariant: a private cluster, if there is one, outlives every connection made here, and is let go
// of when this is destroyed.
#pragma once

#include <optional>
#include <string>

#include "cli/globals.h"
#include "cli/terminal/output.h"
#include "pgtally/result.h"
#include "postgres/connection.h"
#include "postgres/private_cluster.h"

namespace pgtally::cli {

class Database {
 public:
  // Both outlive this.
  Database(const Globals& globals, Output& output) : globals_(globals), output_(output) {}
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // What libpq connects with; empty where the PG* variables say all. Starts the private cluster.
  [[nodiscard]] Result<std::string> conninfo();

  // One connection, the same each time; never null. Owned here.
  [[nodiscard]] Result<pg::Connection*> connect();

 private:
  const Globals& globals_;
  Output& output_;
  std::optional<pg::PrivateCluster> cluster_;
  std::optional<pg::Connection> connection_;
};

}  // namespace pgtally::cli
