#include "cli/globals.h"

#include "base/encoding.h"

namespace pgtally::cli {
namespace {

constexpr const char* kDefaultSchema = "pgtally";

std::optional<std::string> variable(const Environment& environment, const char* name) {
  const char* value = environment(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

Result<void> choose_database(const GlobalOptions& options, const Environment& environment,
                             Globals& globals) {
  if (options.database && options.embedded) {
    return reject("--database and --embedded name two databases",
                  "Give one of them: a server of your own, or a directory for a private one.");
  }
  if (options.database || options.embedded) {
    globals.database = options.database;
    globals.embedded = options.embedded;
    return {};
  }
  globals.database = variable(environment, "PGTALLY_DATABASE");
  globals.embedded = variable(environment, "PGTALLY_EMBEDDED");
  if (globals.database && globals.embedded) {
    return reject("PGTALLY_DATABASE and PGTALLY_EMBEDDED are both set, and name two databases",
                  "Unset one of them, or choose with --database or --embedded.");
  }
  if (globals.database || globals.embedded) return {};
  globals.database = globals.file.database;
  globals.embedded = globals.file.embedded;
  if (globals.database && globals.embedded) {
    return reject(*globals.config + " sets both database and embedded, which are two databases");
  }
  return {};
}

}  // namespace

void declare(Options& options, GlobalOptions& into, bool with_database) {
  if (with_database) {
    options.option("--database", "URI", into.database,
                   "which database; else $PGTALLY_DATABASE, else the PG* variables of libpq");
  }
  options.option("--embedded", "DIR", into.embedded,
                 "a private PostgreSQL in this directory instead; else $PGTALLY_EMBEDDED");
  options.option("--schema", "NAME", into.schema,
                 "the ledger's schema; else $PGTALLY_SCHEMA, else pgtally");
  options.option("--config", "FILE", into.config,
                 "settings, as in pgtally.toml; else $PGTALLY_CONFIG");
  options.flag("--json", into.json, "print facts and errors as JSON");
  options.flag("-q,--quiet", into.quiet, "no remarks, no progress bars");
  options.flag("-h,--help", into.help, "what a command does, with examples");
  options.flag("--version", into.version, "the version of this program");
}

bool libpq_names_database(const Environment& environment) {
  for (const char* name : {"PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE"}) {
    if (variable(environment, name)) return true;
  }
  return false;
}

Result<Globals> resolve(const GlobalOptions& options, const Environment& environment) {
  Globals globals;
  globals.json = options.json;
  globals.quiet = options.quiet;
  globals.config = options.config ? options.config : variable(environment, "PGTALLY_CONFIG");
  if (globals.config) {
    TRY(globals.file, read_config(*globals.config));
  }
  TRY_VOID(choose_database(options, environment, globals));
  if (globals.embedded && globals.embedded->empty()) return reject("--embedded: no directory");
  globals.schema =
      options.schema.value_or(variable(environment, "PGTALLY_SCHEMA")
                                  .value_or(globals.file.schema.value_or(kDefaultSchema)));
  // PostgreSQL cuts longer names off without a word.
  constexpr std::size_t kMaxName = 63;
  if (globals.schema.empty() || globals.schema.size() > kMaxName ||
      !is_utf8(as_bytes(globals.schema))) {
    return reject("not the name of a schema: " + pgtally::quoted(globals.schema),
                  "A name has 1 to 63 bytes of UTF-8.");
  }
  return globals;
}

}  // namespace pgtally::cli
