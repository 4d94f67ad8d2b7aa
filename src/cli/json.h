// JSON out to the terminal and in from files.
#pragma once

#include <string>
#include <string_view>

#include "cli/terminal/output.h"
#include "pgtally/entry.h"
#include "pgtally/result.h"
#include "pgtally/types.h"
#include "service/json.h"

namespace pgtally::cli {

// One line of JSON on stdout. Bytes that are not UTF-8 come out as U+FFFD.
void print_json(Output& output, const json::value& value);
[[nodiscard]] std::string json_text(const json::value& value);

// Refuses what is not exactly one JSON value, and says at which byte.
[[nodiscard]] Result<json::value> parse_json(std::string_view text);

// Members of an object. Each says which member is missing or of another kind.
[[nodiscard]] Result<std::uint64_t> uint64_member(const json::object& object,
                                                  std::string_view name);  // or a decimal string
[[nodiscard]] Result<Hash> hash_member(const json::object& object, std::string_view name);
[[nodiscard]] Result<std::vector<Hash>> hashes_member(const json::object& object,
                                                      std::string_view name);

}  // namespace pgtally::cli
