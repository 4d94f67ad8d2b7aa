// Keys as the command line writes them: a value, or column=value, for each column of the key.
#pragma once

#include <string>
#include <vector>

#include "pgtally/verify.h"

namespace pgtally::cli {

// "name=bash" is column `name` with the value "bash"; what has no "=" is a value, told by its
// place; "=a=b" is the value "a=b", whatever is in it.
[[nodiscard]] std::vector<ExpectedKeyColumn> parse_key_arguments(
    const std::vector<std::string>& arguments);

// The help text that goes with it.
inline constexpr const char* kKeyHelp =
    "the key: a value, or column=value, for each of its columns; =VALUE for a value with an = in "
    "it";

}  // namespace pgtally::cli
