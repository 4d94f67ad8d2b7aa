#include "service/settings.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <functional>
#include <map>

#include "base/durable_file.h"
#include "base/encoding.h"
#include "service/source_parser.h"

namespace pgtally {
namespace {

using Setter = std::function<Result<void>(const toml::node&)>;
using Setters = std::map<std::string, Setter>;

Error expected(const std::string& what) {
  return reject("expected " + what);
}

Error in_line(const toml::node& node, const std::string& name, const Error& why) {
  return reject(fmt::format("line {}: {}{}", node.source().begin.line, name, why.message),
                why.hint);
}

// Gives each member to its setter; `hint` follows the names when there is none.
Result<void> read_table(const toml::table& table, const Setters& known, const std::string& hint) {
  for (const auto& [name, node] : table) {
    const auto setter = known.find(std::string(name.str()));
    if (setter == known.end()) {
      std::string names;
      for (const auto& [each, ignored] : known) names += (names.empty() ? "" : ", ") + each;
      return in_line(node, std::string(name.str()),
                     reject(" is not a setting", "The settings are " + names + hint));
    }
    const auto result = setter->second(node);
    if (result.ok()) continue;
    // A table's error names its own line.
    if (node.is_table()) return result.error();
    return in_line(node, std::string(name.str()) + ": ", result.error());
  }
  return {};
}

// A [table] of settings.
Setter table_of(Setters known) {
  return [known = std::move(known)](const toml::node& node) -> Result<void> {
    const toml::table* table = node.as_table();
    if (table == nullptr) return expected("a table, such as [publish]");
    return read_table(*table, known, " here.");
  };
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

Setter number_into(std::int32_t& target, std::int32_t most) {
  return [&target, most](const toml::node& node) -> Result<void> {
    const auto value = node.value<std::int64_t>();
    if (!value || *value < 1 || *value > most) {
      return expected(fmt::format("a number from 1 to {}", most));
    }
    target = static_cast<std::int32_t>(*value);
    return {};
  };
}

Setters http_setters(ListenSettings& serve) {
  return {
      {"listen", text_into(serve.listen)},
      {"tls_certificate", text_into(serve.tls_certificate)},
      {"tls_key", text_into(serve.tls_key)},
      {"cache_mib", number_into(serve.cache_mib, 1'000'000)},
      {"workers", number_into(serve.workers, 64)},
      {"max_connections", number_into(serve.max_connections, 1'000'000)},
      {"max_body_kib", number_into(serve.max_body_kib, 32'768)},
      {"idle_timeout", duration_into(serve.idle_timeout, false)},
  };
}

Setters setters(ConfigFile& config) {
  return {
      {"database", text_into(config.database)},
      {"embedded", text_into(config.embedded)},
      {"schema", text_into(config.schema)},
      {"state", text_into(config.state)},
      {"interval", duration_into(config.service.interval, false)},
      {"checkpoint_interval", duration_into(config.service.checkpoint_interval, false)},
      {"sweep_interval", duration_into(config.service.sweeps.finding, true)},
      {"late_sweep_interval", duration_into(config.service.sweeps.late, true)},
      {"batch_rows", number_into(config.service.batch_rows, 1'000'000)},
      {"prune",
       [&config](const toml::node& node) -> Result<void> {
         const auto value = node.value_exact<bool>();
         if (!value) return expected("true or false");
         config.service.prune = *value;
         return {};
       }},
      {"http", table_of(http_setters(config.service.serve))},
      {"publish", table_of({{"directory", text_into(config.service.publish_directory)}})},
      {"witness", table_of({{"policy", text_into(config.service.witness.policy)},
                            {"timeout", duration_into(config.service.witness.timeout, false)},
                            {"interval", duration_into(config.service.witness.interval, false)}})},
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
  if (const toml::node* sources = table.get("source"); sources != nullptr) {
    TRY(config.sources, read_source_tables(*sources, path));
    table.erase("source");
  }
  const auto result = read_table(table, setters(config), "; sources are [[source]] tables.");
  if (!result.ok()) return reject(path + ", " + result.error().message, result.error().hint);
  return config;
}

}  // namespace pgtally
