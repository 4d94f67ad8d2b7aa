// Errors as the program shows them, and the exit status that each kind gives.
#pragma once

#include <string_view>

#include "cli/command.h"
#include "cli/terminal/output.h"
#include "pgtally/result.h"

namespace pgtally::cli {

[[nodiscard]] Exit exit_of(ErrorCode code);

// "retry", "reject", "tampered", "operator".
[[nodiscard]] std::string_view name_of(ErrorCode code);

// For people, to stderr: "error: " and the message, the hint on the lines below.
void print_error(Output& output, const Error& error);

// For programs, to stdout: {"ok":false,"error":{"code":…,"message":…,"hint":…}}
void print_error_as_json(Output& output, const Error& error);

}  // namespace pgtally::cli
