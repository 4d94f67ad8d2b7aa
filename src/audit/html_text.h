// Text of others as it may stand in a page.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pgtally/types.h"

namespace pgtally::html {

// Shows exactly what is there, and can do nothing: markup is escaped; control characters, and those
// that turn the direction of writing or cannot be seen, come out as \u{202e}, bytes that are no UTF-8
// as \xff. Fit for elements and for quoted attributes.
[[nodiscard]] std::string escaped(std::string_view text);

// 1,234,567
[[nodiscard]] std::string grouped(std::uint64_t number);
// "1 row", "1,234 rows"
[[nodiscard]] std::string counted(std::uint64_t number, std::string_view one,
                                  std::string_view many);

// "2026-11-22 14:03:27 UTC"
[[nodiscard]] std::string to_the_second(Time time);

}  // namespace pgtally::html
