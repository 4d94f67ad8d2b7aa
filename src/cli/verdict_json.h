// What a verified proof says, as `verify --json` prints it.
#pragma once

#include "cli/json.h"
#include "pgtally/verify.h"

namespace pgtally::cli {

[[nodiscard]] json::object json_of(const Verdict& verdict);
[[nodiscard]] json::object json_of(const OrderVerdict& verdict);

}  // namespace pgtally::cli
