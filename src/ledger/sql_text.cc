#include "ledger/sql_text.h"

#include <array>
#include <utility>

#include "postgres/quote.h"

namespace pgtally {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Names were checked when the ledger was opened or made, so quoting cannot fail here.
std::string identifier(const std::string& name) {
  auto quoted = pg::quote_identifier(name);
  return quoted.ok() ? *quoted : name;
}

}  // namespace

SchemaNames with_roles(const std::string& database, const std::string& schema) {
  const std::string stem = database + "_" + schema;
  return {schema, stem + "_writer", stem + "_sequencer", stem + "_reader"};
}

std::string adapted(std::string_view sql, const SchemaNames& names) {
  const std::array<std::pair<std::string_view, std::string>, 3> roles{{
      {"pgtally_writer", identifier(names.writer)},
      {"pgtally_sequencer", identifier(names.sequencer)},
      {"pgtally_reader", identifier(names.reader)},
  }};
  const std::string schema = identifier(names.schema);
  constexpr std::string_view kSchema = "pgtally";
  std::string out;
  out.reserve(sql.size() + sql.size() / 8);
  std::size_t at = 0;
  while (at < sql.size()) {
    const std::size_t hit = sql.find(kSchema, at);
    if (hit == std::string_view::npos) break;
    out += sql.substr(at, hit - at);
    at = hit;
    const bool starts_a_word = hit == 0 || (!is_word(sql[hit - 1]) && sql[hit - 1] != '/');
    std::string_view rest = sql.substr(hit);
    const std::string* replacement = nullptr;
    std::size_t length = kSchema.size();
    for (const auto& [role, name] : roles) {
      if (starts_a_word && rest.starts_with(role)) {
        replacement = &name;
        length = role.size();
      }
    }
    const std::size_t end = hit + kSchema.size();
    const bool qualifies = end < sql.size() && sql[end] == '.';
    const bool names_schema = sql.substr(0, hit).ends_with("SCHEMA ");
    if (replacement == nullptr && starts_a_word && (qualifies || names_schema)) {
      replacement = &schema;
    }
    out += replacement == nullptr ? std::string(sql.substr(hit, length)) : *replacement;
    at = hit + length;
  }
  out += sql.substr(at);
  return out;
}

}  // namespace pgtally
