#include "cli/ledger_session.h"

#include <cstdlib>
#include <utility>

#include "capture/readers.h"
#include "service/state_files.h"

namespace pgtally::cli {

Result<Ledger> open_ledger(Context& context) {
  TRY(pg::Connection * connection, context.database().connect());
  return Ledger::open(*connection, context.globals().schema);
}

Result<Ledger> open_ledger_beside(Context& context, std::string& source_database) {
  const Globals& globals = context.globals();
  const auto environment = [](const char* name) { return std::getenv(name); };
  if (!source_database.empty() && !globals.database && !globals.embedded &&
      !libpq_names_database(environment)) {
    context.use_database(std::exchange(source_database, {}));
  }
  return open_ledger(context);
}

Result<std::string> state_directory_of(const Context& context, const std::string& option) {
  std::string configured = option;
  if (const char* named = std::getenv("PGTALLY_STATE"); configured.empty() && named != nullptr) {
    configured = named;
  }
  if (configured.empty()) configured = context.globals().file.state.value_or("");
  return state_directory(configured, context.globals().embedded.value_or(""));
}

Result<RunnerOptions> runner_options(Context& context, const std::string& state) {
  RunnerOptions options;
  TRY(options.conninfo, context.database().conninfo());
  options.schema = context.globals().schema;
  TRY(options.state_directory, state_directory_of(context, state));
  options.readers = [](const Ledger& ledger) { return make_readers(ledger); };
  return options;
}

void print_script(Context& context, const std::string& script) {
  context.output().write("BEGIN;\n" + script);
  if (!script.ends_with('\n')) context.output().write("\n");
  context.output().write("COMMIT;\n");
}

}  // namespace pgtally::cli
