// Numbers and spans of time as people read them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pgtally::cli {

// 18,204,117
[[nodiscard]] std::string with_thousands(std::uint64_t number);

// "0.3 s", "42 s", "3 min 20 s", "2 h 5 min", "4 d 3 h". Of a negative span, its length.
[[nodiscard]] std::string short_span(std::chrono::microseconds span);

// "1 row", "2,000 rows".
[[nodiscard]] std::string counted(std::uint64_t number, const std::string& singular,
                                  const std::string& plural);

}  // namespace pgtally::cli
