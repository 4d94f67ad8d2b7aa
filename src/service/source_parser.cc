#include "service/source_parser.h"

#include <fmt/format.h>

#include <functional>
#include <map>

#include "base/encoding.h"

namespace pgtally {
namespace {

using Setter = std::function<Result<void>(const toml::node&)>;

Setter text_into(std::string& target) {
  return [&target](const toml::node& node) -> Result<void> {
    const auto value = node.value_exact<std::string>();
    if (!value || value->empty()) return reject("expected a string");
    target = *value;
    return {};
  };
}

Setter flag_into(bool& target) {
  return [&target](const toml::node& node) -> Result<void> {
    const auto value = node.value_exact<bool>();
    if (!value) return reject("expected true or false");
    target = *value;
    return {};
  };
}

// "id", or ["order_id", "number"]. Commas have no meaning here: a column may have one in its name.
Setter names_into(std::vector<std::string>& target, bool may_be_none = false) {
  return [&target, may_be_none](const toml::node& node) -> Result<void> {
    constexpr const char* kExpected = "expected a string, or an array of strings";
    if (const auto one = node.value_exact<std::string>()) {
      target = {*one};
      return {};
    }
    const toml::array* several = node.as_array();
    if (several == nullptr || (several->empty() && !may_be_none)) return reject(kExpected);
    for (const toml::node& element : *several) {
      const auto name = element.value_exact<std::string>();
      if (!name) return reject(kExpected);
      target.push_back(*name);
    }
    return {};
  };
}

std::map<std::string, Setter> setters(SourceRequest& request) {
  return {
      {"name", text_into(request.name)},
      {"table", text_into(request.table)},
      {"key", names_into(request.key)},
      {"mode", text_into(request.mode)},
      {"time", text_into(request.time)},
      {"hash_column", text_into(request.hash_column)},
      {"columns", names_into(request.columns)},
      {"exclude", names_into(request.exclude, true)},
      {"blind", flag_into(request.blind)},
      {"track_changes", flag_into(request.track_changes)},
      {"database", text_into(request.database)},
      {"append", flag_into(request.append)},
      {"writer", text_into(request.writer)},
      {"keep_data", flag_into(request.keep_data)},
      {"existing",
       [&request](const toml::node& node) -> Result<void> {
         const auto value = node.value_exact<std::string>();
         if (value != "record" && value != "skip") return reject("expected \"record\" or \"skip\"");
         request.skip_existing = value == "skip";
         return {};
       }},
  };
}

Result<SourceTable> read_one(const toml::table& table, const std::string& path) {
  SourceTable source;
  source.place = fmt::format("{}, line {}", path, table.source().begin.line);
  const auto known = setters(source.request);
  for (const auto& [name, node] : table) {
    const std::string place =
        fmt::format("{}, line {}: {}", path, node.source().begin.line, name.str());
    const auto setter = known.find(std::string(name.str()));
    if (setter == known.end()) {
      std::string names;
      for (const auto& [each, ignored] : known) names += (names.empty() ? "" : ", ") + each;
      return reject(place + " is not a setting of a source", "Its settings are " + names + ".");
    }
    const auto result = setter->second(node);
    if (!result.ok()) return reject(place + ": " + result.error().message);
  }
  if (source.request.name.empty()) return reject(source.place + ": the source has no name");
  return source;
}

}  // namespace

Result<std::vector<SourceTable>> read_source_tables(const toml::node& node,
                                                    const std::string& path) {
  const toml::array* tables = node.as_array();
  if (tables == nullptr) {
    return reject(fmt::format("{}, line {}: source", path, node.source().begin.line) +
                      ": expected an array of tables",
                  "Each source begins with a line [[source]].");
  }
  std::vector<SourceTable> sources;
  std::map<std::string, std::string> places;
  for (const toml::node& element : *tables) {
    const toml::table* table = element.as_table();
    if (table == nullptr) {
      return reject(fmt::format("{}, line {}: expected a table", path, element.source().begin.line),
                    "Each source begins with a line [[source]].");
    }
    TRY(SourceTable source, read_one(*table, path));
    const auto [it, is_new] = places.emplace(source.request.name, source.place);
    if (!is_new) {
      return reject(source.place + ": source " + quoted(source.request.name) +
                    " was named before, in " + it->second);
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

}  // namespace pgtally
