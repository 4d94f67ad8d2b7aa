// Times as people and as programs read them. Both always in UTC, always with six decimals.
#pragma once

#include <string>

#include "pgtally/types.h"

namespace pgtally {

// "2026-11-22 14:03:27.118204 UTC"; "none", "infinity", "-infinity". Years outside 0-9999, which
// PostgreSQL has, get a sign and more digits; year 0 is 1 BC.
[[nodiscard]] std::string time_for_people(Time time);

// "2026-11-22T14:03:27.118204Z"; the exceptions as above, but none is "". Spec: RFC 3339, and ISO
// 8601 for the years that it does not have.
[[nodiscard]] std::string time_as_rfc3339(Time time);

// A witness's time, in seconds since 1970; what lies beyond the last that a Time can hold is that one.
[[nodiscard]] Time time_of_seconds(std::uint64_t seconds);

}  // namespace pgtally
