#include "postgres/lsn.h"

#include <array>
#include <charconv>
#include <cstdio>

#include "base/encoding.h"

namespace pgtally::pg {
namespace {

// One half: 1 to 8 hex digits and nothing else.
bool parse_half(std::string_view digits, std::uint32_t& half) {
  if (digits.empty() || digits.size() > 8) return false;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, half, 16);
  return error == std::errc() && stop == end;
}

}  // namespace

std::string to_string(Lsn lsn) {
  std::array<char, 24> text{};
  const int size =
      std::snprintf(text.data(), text.size(), "%X/%X", static_cast<std::uint32_t>(lsn.value >> 32),
                    static_cast<std::uint32_t>(lsn.value));
  return {text.data(), static_cast<std::size_t>(size)};
}

Result<Lsn> parse_lsn(std::string_view text) {
  const std::size_t slash = text.find('/');
  std::uint32_t high = 0;
  std::uint32_t low = 0;
  if (slash == std::string_view::npos || !parse_half(text.substr(0, slash), high) ||
      !parse_half(text.substr(slash + 1), low)) {
    return reject(quoted(text) + " is not a place in the write-ahead log",
                  "It looks like 0/16B3748.");
  }
  return Lsn{std::uint64_t{high} << 32 | low};
}

}  // namespace pgtally::pg
