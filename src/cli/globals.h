// The options that every command takes, before or after its name.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cli/options.h"
#include "pgtally/result.h"
#include "service/settings.h"

namespace pgtally::cli {

struct Globals {
  std::optional<std::string> database;  // a URI or libpq's keywords; nothing: the PG* variables
  std::optional<std::string> embedded;  // a directory; never set together with `database`
  std::string schema;
  std::optional<std::string> config;
  ConfigFile file;  // what `config` says
  bool json = false;
  bool quiet = false;
};

// As they are on the command line.
struct GlobalOptions {
  std::optional<std::string> database;
  std::optional<std::string> embedded;
  std::optional<std::string> schema;
  std::optional<std::string> config;
  bool json = false;
  bool quiet = false;
  bool help = false;
  bool version = false;
};

void declare(Options& options, GlobalOptions& into, bool with_database = true);

// Whether anything in the environment of libpq says which database is meant.
using Environment = std::function<const char*(const char*)>;  // std::getenv, or a test's
[[nodiscard]] bool libpq_names_database(const Environment& environment);

// Fills in what PGTALLY_DATABASE, PGTALLY_EMBEDDED and PGTALLY_SCHEMA say. A database that is named
// on the command line wins over one of the other kind in the environment; two on one level are
// refused. An empty variable counts as none.
[[nodiscard]] Result<Globals> resolve(const GlobalOptions& options, const Environment& environment);

}  // namespace pgtally::cli
