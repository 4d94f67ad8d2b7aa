// The ledger that a command works on, and the files of this host that belong to it.
#pragma once

#include <string>

#include "cli/context.h"
#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "service/runner.h"

namespace pgtally::cli {

// Connects, and opens the ledger in the schema that the globals name.
[[nodiscard]] Result<Ledger> open_ledger(Context& context);

// For a command whose own --database names the database of a table: the ledger is where the global
// options, the environment or the configuration say. If nothing else names a ledger, --database does,
// and `source_database` becomes empty.
[[nodiscard]] Result<Ledger> open_ledger_beside(Context& context, std::string& source_database);

// Where signing key and guard are: `option` (--state), else PGTALLY_STATE, else what
// service/state_files.h says.
[[nodiscard]] Result<std::string> state_directory_of(const Context& context,
                                                     const std::string& option);

inline constexpr const char* kStateHelp =
    "the directory of signing key and guard; else PGTALLY_STATE, else one that goes with the user";

// What `run` and everything like it start from.
[[nodiscard]] Result<RunnerOptions> runner_options(Context& context, const std::string& state);

// For --print-sql: the script as a transaction of its own, ready for psql.
void print_script(Context& context, const std::string& script);

}  // namespace pgtally::cli
