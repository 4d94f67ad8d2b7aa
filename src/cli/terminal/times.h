// Times as people and as programs read them. Both always in UTC, always with six decimals.
#pragma once

#include <string>

#include "pgtally/types.h"

namespace pgtally::cli {

// "2026-11-22 14:03:27.118204 UTC"; "none", "infinity", "-infinity". Years outside 0-9999, which
// PostgreSQL has, get a sign and more digits; year 0 is 1 BC.
[[nodiscard]] std::string time_for_people(Time time);

// "2026-11-22T14:03:27.118204Z"; the exceptions as above, but none is "". Spec: RFC 3339, and ISO
// 8601 for the years that it does not have.
[[nodiscard]] std::string time_as_rfc3339(Time time);

}  // namespace pgtally::cli
