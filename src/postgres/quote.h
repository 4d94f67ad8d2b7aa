// Names and values as parts of an SQL text, for where a parameter cannot stand.
//
// The result is safe with standard_conforming_strings on or off. Refused: zero bytes, text that is
// not UTF-8, empty names, and names over 63 bytes, which the server would silently cut.
#pragma once

#include <string>
#include <string_view>

#include "pgtally/result.h"

namespace pgtally::pg {

[[nodiscard]] Result<std::string> quote_identifier(std::string_view name);  // "Order Lines"
[[nodiscard]] Result<std::string> quote_literal(std::string_view value);    // 'it''s'
// schema.table, both quoted.
[[nodiscard]] Result<std::string> quote_qualified(std::string_view schema, std::string_view name);

}  // namespace pgtally::pg
