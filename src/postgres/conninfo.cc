#include "postgres/conninfo.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string_view>

#include "base/encoding.h"
#include "postgres/session.h"

namespace pgtally::pg {
namespace {

using Settings = std::map<std::string, std::string>;

struct FreeOptions {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using Options = std::unique_ptr<PQconninfoOption, FreeOptions>;

Settings settings_of(const PQconninfoOption* options) {
  Settings settings;
  for (const PQconninfoOption* option = options; option && option->keyword; ++option) {
    if (option->val != nullptr && *option->val != '\0') settings[option->keyword] = option->val;
  }
  return settings;
}

bool is_secret(const std::string& keyword) {
  return keyword == "password" || keyword == "sslpassword";
}

// Spec: libpq, "Keyword/Value Connection Strings".
std::string text_of(const Settings& settings, bool with_secrets) {
  std::string out;
  for (const auto& [keyword, value] : settings) {
    if (!with_secrets && is_secret(keyword)) continue;
    if (!out.empty()) out += ' ';
    out += keyword + "='";
    for (const char c : value) {
      if (c == '\'' || c == '\\') out += '\\';
      out += c;
    }
    out += '\'';
  }
  return out;
}

Result<Settings> parsed(const std::string& conninfo) {
  // A name alone is that of a database, as Connection::open() has it.
  if (conninfo.find('=') == std::string::npos && conninfo.find("://") == std::string::npos) {
    return Settings{{"dbname", conninfo}};
  }
  char* message = nullptr;
  const Options options(PQconninfoParse(conninfo.c_str(), &message));
  const std::unique_ptr<char, void (*)(void*)> owned(message, PQfreemem);
  // libpq's message may quote what it could not read, which may be the password.
  if (!options) return reject("this is not a URI or connection string of libpq");
  return settings_of(options.get());
}

std::string value_in(const Settings& settings, const std::string& keyword) {
  const auto found = settings.find(keyword);
  return found == settings.end() ? "" : found->second;
}

}  // namespace

Result<Endpoint> endpoint_of(const std::string& conninfo, Connection& connection) {
  constexpr std::array kWhere = {"host", "hostaddr", "port", "dbname", "user"};
  TRY(Settings settings, parsed(conninfo));
  const Options in_effect(PQconninfo(connection.session().handle()));
  if (!in_effect) return retry("out of memory");
  const Settings all = settings_of(in_effect.get());
  for (const char* keyword : kWhere) {
    if (auto value = value_in(all, keyword); !value.empty()) settings[keyword] = std::move(value);
  }
  // A service would have to be looked up again, and what it said is all here.
  if (settings.erase("service") > 0) {
    for (const auto& [keyword, value] : all) settings.try_emplace(keyword, value);
  }
  const std::string host = value_in(settings, "host").empty() ? value_in(settings, "hostaddr")
                                                              : value_in(settings, "host");
  return Endpoint{
      .conninfo = text_of(settings, true),
      .shown = text_of(settings, false),
      .place = host + ":" + value_in(settings, "port") + "/" + value_in(settings, "dbname")};
}

bool leads_to(const std::string& conninfo, const std::string& endpoint) {
  const auto wanted = parsed(conninfo);
  const auto there = parsed(endpoint);
  if (!wanted.ok() || !there.ok()) return false;
  return std::all_of(wanted->begin(), wanted->end(), [&](const auto& setting) {
    return is_secret(setting.first) || setting.first == "service" ||
           value_in(*there, setting.first) == setting.second;
  });
}

std::string without_password(const std::string& conninfo) {
  auto settings = parsed(conninfo);
  return settings.ok() ? text_of(*settings, false) : "(not readable)";
}

Result<std::string> as_replication(const std::string& conninfo) {
  if (conninfo.find('\0') != std::string::npos) {
    return reject("the connection string holds a zero byte");
  }
  TRY(Settings settings, parsed(conninfo));
  settings["replication"] = "database";
  return text_of(settings, true);
}

}  // namespace pgtally::pg
