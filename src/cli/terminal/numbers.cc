#include "cli/terminal/numbers.h"

#include <fmt/format.h>

namespace pgtally::cli {

std::string with_thousands(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::string short_span(std::chrono::microseconds span) {
  const auto negative = span.count() < 0;
  // Unsigned, because the length of the most negative span does not fit its own type.
  const auto count = static_cast<std::uint64_t>(span.count());
  const std::uint64_t length = negative ? 0 - count : count;
  if (length < 9'950'000) return fmt::format("{:.1f} s", static_cast<double>(length) / 1e6);
  const std::uint64_t seconds = (length + 500'000) / 1'000'000;
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  const std::uint64_t minutes = seconds / 60;
  if (minutes < 24 * 60) return fmt::format("{} h {} min", minutes / 60, minutes % 60);
  const std::uint64_t hours = minutes / 60;
  return fmt::format("{} d {} h", with_thousands(hours / 24), hours % 24);
}

std::string counted(std::uint64_t number, const std::string& singular, const std::string& plural) {
  return with_thousands(number) + " " + (number == 1 ? singular : plural);
}

}  // namespace pgtally::cli
