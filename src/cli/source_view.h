// A source as status and source list show it.
#pragma once

#include <string>

#include "cli/json.h"
#include "cli/terminal/output.h"
#include "ledger/status.h"

namespace pgtally::cli {

// What everybody may know of it, its last key, and why it fails if it does.
[[nodiscard]] json::object json_source_in_full(const SourceStatus& source);

// "1,024", or "-" where it is not known.
[[nodiscard]] std::string waiting(const SourceStatus& source);
// "0.4 s"
[[nodiscard]] std::string behind(const SourceStatus& source);

// Under a table of sources: what is wrong with those that fail.
void show_failures(Output& out, const std::vector<SourceStatus>& sources);

}  // namespace pgtally::cli
