#include "service/settings.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <functional>
#include <map>

#include "base/encoding.h"
#include "service/durable_file.h"
#include "service/source_parser.h"

namespace pgtally {
namespace {

using Setter = std::function<Result<void>(const toml::node&)>;

Error expected(const std::string& what) {
  return reject("expected " + what);
}

Setter text_into(std::optional<std::string>& target) {
  return [&target](const toml::node& node) -> Result<void> {
    const auto value = node.value<std::string>();
    if (!value) return expected("a string");
    target = *value;
    return {};
  };
}

template <typename Duration>
Setter duration_into(Duration& target, bool may_be_zero) {
  return [&target, may_be_zero](const toml::node& node) -> Result<void> {
    const auto value = node.value<std::string>();
    if (!value) return expected("a duration such as \"250ms\" or \"1s\"");
    if (may_be_zero && *value == "0") {
      target = Duration{0};
      return {};
    }
    TRY(const auto duration, parse_duration(*value));
    target = std::chrono::duration_cast<Duration>(duration);
    return {};
  };
}

std::map<std::string, Setter> setters(ConfigFile& config) {
  return {
      {"database", text_into(config.database)},
      {"embedded", text_into(config.embedded)},
      {"schema", text_into(config.schema)},
      {"state", text_into(config.state)},
      {"interval", duration_into(config.service.interval, false)},
      {"checkpoint_interval", duration_into(config.service.checkpoint_interval, false)},
      {"sweep_interval", duration_into(config.service.sweeps.finding, true)},
      {"late_sweep_interval", duration_into(config.service.sweeps.late, true)},
      {"batch_rows",
       [&config](const toml::node& node) -> Result<void> {
         const auto value = node.value<std::int64_t>();
         if (!value || *value < 1 || *value > 1'000'000)
           return expected("a number from 1 to 1000000");
         config.service.batch_rows = static_cast<std::int32_t>(*value);
         return {};
       }},
      {"prune",
       [&config](const toml::node& node) -> Result<void> {
         const auto value = node.value_exact<bool>();
         if (!value) return expected("true or false");
         config.service.prune = *value;
         return {};
       }},
      {"log_format",
       [&config](const toml::node& node) -> Result<void> {
         const auto value = node.value<std::string>();
         if (value != "text" && value != "json") return expected("\"text\" or \"json\"");
         config.service.log_format = value == "json" ? LogFormat::kJson : LogFormat::kText;
         return {};
       }},
  };
}

}  // namespace

Result<std::chrono::milliseconds> parse_duration(const std::string& text) {
  const std::size_t digits = text.find_first_not_of("0123456789");
  const std::map<std::string, std::uint64_t> units{
      {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  const auto unit = units.find(digits == std::string::npos ? "" : text.substr(digits));
  const auto number = parse_decimal(text.substr(0, digits));
  constexpr std::uint64_t kMost = 86'400'000;
  if (unit == units.end() || !number.ok() || *number == 0 || *number > kMost / unit->second) {
    return reject(quoted(text) + " is not a duration", "Write 250ms, 1s, 5m or 2h; a day at most.");
  }
  return std::chrono::milliseconds(*number * unit->second);
}

Result<ConfigFile> read_config(const std::string& path) {
  TRY(const auto text, read_small_file(path, std::size_t{1} << 20));
  if (!text) return operator_error("there is no configuration file " + path);
  toml::table table;
  try {
    table = toml::parse(*text, path);
  } catch (const toml::parse_error& error) {  // toml++ has no other way in this build
    return reject(
        fmt::format("{}, line {}: {}", path, error.source().begin.line, error.description()));
  }
  ConfigFile config;
  const auto known = setters(config);
  for (const auto& [name, node] : table) {
    if (name.str() == "source") {
      TRY(config.sources, read_source_tables(node, path));
      continue;
    }
    const std::string place =
        fmt::format("{}, line {}: {}", path, node.source().begin.line, name.str());
    const auto setter = known.find(std::string(name.str()));
    if (setter == known.end()) {
      std::string names;
      for (const auto& [each, ignored] : known) names += (names.empty() ? "" : ", ") + each;
      return reject(place + " is not a setting",
                    "The settings are " + names + "; sources are [[source]] tables.");
    }
    const auto result = setter->second(node);
    if (!result.ok()) return reject(place + ": " + result.error().message, result.error().hint);
  }
  return config;
}

}  // namespace pgtally
