#include "postgres/further_session.h"

#include <memory>
#include <string_view>

#include "postgres/session.h"

namespace pgtally::pg {
namespace {

std::string quoted_value(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

}  // namespace

std::string conninfo_of(Connection& connection) {
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfo(connection.session().handle()), &PQconninfoFree);
  std::string out;
  for (const PQconninfoOption* option = options.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    if (option->val == nullptr || *option->val == '\0') continue;
    if (keyword == "replication" || keyword == "fallback_application_name") continue;
    out += (out.empty() ? "" : " ") + std::string(keyword) + "=" + quoted_value(option->val);
  }
  return out;
}

}  // namespace pgtally::pg
