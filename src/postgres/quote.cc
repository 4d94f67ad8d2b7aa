#include "postgres/quote.h"

#include "base/encoding.h"
#include "pgtally/types.h"

namespace pgtally::pg {
namespace {

constexpr std::size_t kLongestName = 63;  // NAMEDATALEN - 1

Result<void> check_text(std::string_view text, const char* what) {
  if (text.find('\0') != std::string_view::npos) {
    return reject(std::string(what) + " holds a zero byte: " + quoted(text));
  }
  if (!is_utf8(as_bytes(text))) {
    return reject(std::string(what) + " is not UTF-8: " + quoted(text));
  }
  return {};
}

std::string doubled(std::string_view text, std::string_view which) {
  std::string out;
  for (const char c : text) {
    if (which.find(c) != std::string_view::npos) out += c;
    out += c;
  }
  return out;
}

}  // namespace

Result<std::string> quote_identifier(std::string_view name) {
  if (name.empty()) return reject("a name is empty");
  if (name.size() > kLongestName) {
    return reject("the name " + quoted(name, kLongestName) + " has " + std::to_string(name.size()) +
                  " bytes, PostgreSQL keeps only 63");
  }
  TRY_VOID(check_text(name, "a name"));
  return '"' + doubled(name, "\"") + '"';
}

Result<std::string> quote_literal(std::string_view value) {
  TRY_VOID(check_text(value, "a value"));
  if (value.find('\\') == std::string_view::npos) return '\'' + doubled(value, "'") + '\'';
  // With E the meaning of a backslash no longer hangs on standard_conforming_strings. The blank
  // keeps the E apart from a name before it.
  return " E'" + doubled(value, "'\\") + '\'';
}

Result<std::string> quote_qualified(std::string_view schema, std::string_view name) {
  TRY(const auto quoted_schema, quote_identifier(schema));
  TRY(const auto quoted_name, quote_identifier(name));
  return quoted_schema + '.' + quoted_name;
}

}  // namespace pgtally::pg
