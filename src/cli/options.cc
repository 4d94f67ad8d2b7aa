#include "cli/options.h"

#include <CLI/App.hpp>
#include <algorithm>
#include <array>
#include <cctype>

#include "base/encoding.h"

namespace pgtally::cli {
namespace {

// A byte that cannot be the first of an argument anybody types.
constexpr char kMark = '\x01';
// How many values may follow one mention of an option. CLI11 has other rules above 2^25.
constexpr int kManyValues = 10'000;

template <typename T>
Result<void> store(Result<T> value, T& into) {
  if (!value.ok()) return std::move(value).error();
  into = std::move(value).value();
  return {};
}

// "-o,--output" as "-o, --output"
std::string spaced(const std::string& flags) {
  const std::size_t comma = flags.find(',');
  if (comma == std::string::npos) return flags;
  return flags.substr(0, comma) + ", " + flags.substr(comma + 1);
}

std::string long_name(const std::string& flags) {
  const std::size_t comma = flags.find(',');
  return comma == std::string::npos ? flags : flags.substr(comma + 1);
}

}  // namespace

struct Options::State {
  struct Needed {
    std::string name;
    const CLI::Option* option;
  };

  explicit State(CLI::App& at) : app(at) {}

  CLI::App& app;
  std::vector<Help> arguments;
  std::vector<Help> options;
  std::vector<std::string> argument_names;
  std::vector<std::string> long_names;
  std::vector<std::pair<std::string, CLI::Option*>> by_flags;
  std::vector<Needed> needed;
  std::optional<Error> error;
};

Options::Options(CLI::App& app) : state_(new State(app)) {}
Options::Options(Options&&) noexcept = default;
Options::~Options() = default;

CLI::Option& Options::add(const std::string& names, Take take) {
  State& state = *state_;
  CLI::Option* option = state.app.add_option(
      names, [&state, names, take = std::move(take)](const CLI::results_t& given) {
        Values values;
        for (const std::string& value : given) values.push_back(without_armour(value));
        auto taken = take(values);
        if (!taken.ok() && !state.error) state.error = taken.error().within(long_name(names));
        return true;
      });
  option->type_size(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return *option;
}

void Options::add_argument(const std::string& name, std::string shown, std::string help,
                           bool needed, bool many, Take take) {
  CLI::Option& option = add(name, std::move(take));
  option.expected(1, many ? kManyValues : 1)->allow_extra_args(many);
  // CLI11 has to know, so that options with several values leave something for the arguments.
  if (needed) {
    option.required();
    state_->needed.push_back({.name = name, .option = &option});
  }
  state_->argument_names.push_back(needed ? shown : "[" + shown + "]");
  state_->arguments.push_back({.syntax = std::move(shown), .text = std::move(help)});
}

void Options::argument(const std::string& name, std::string& into, std::string help) {
  add_argument(name, name, std::move(help), true, false, [&into](const Values& values) {
    into = values.back();
    return Result<void>();
  });
}

void Options::argument(const std::string& name, std::optional<std::string>& into,
                       std::string help) {
  add_argument(name, name, std::move(help), false, false, [&into](const Values& values) {
    into = values.back();
    return Result<void>();
  });
}

void Options::arguments(const std::string& name, std::vector<std::string>& into, std::string help) {
  add_argument(name, name + "…", std::move(help), true, true, [&into](const Values& values) {
    into = values;
    return Result<void>();
  });
}

void Options::optional_arguments(const std::string& name, std::vector<std::string>& into,
                                 std::string help) {
  add_argument(name, name + "…", std::move(help), false, true, [&into](const Values& values) {
    into = values;
    return Result<void>();
  });
}

void Options::add_option(const std::string& flags, const std::string& value, std::string help,
                         bool many, Take take) {
  CLI::Option& option = add(flags, [many, take = std::move(take)](const Values& values) {
    if (!many && values.size() > 1) return Result<void>(reject("given more than once"));
    return take(values);
  });
  option.expected(1, many ? kManyValues : 1);
  state_->by_flags.emplace_back(flags, &option);
  state_->long_names.push_back(long_name(flags));
  state_->options.push_back(
      {.syntax = spaced(flags) + " " + value + (many ? "…" : ""), .text = std::move(help)});
}

void Options::option(const std::string& flags, const std::string& value, std::string& into,
                     std::string help) {
  add_option(flags, value, std::move(help), false, [&into](const Values& values) {
    into = values.front();
    return Result<void>();
  });
}

void Options::option(const std::string& flags, const std::string& value,
                     std::optional<std::string>& into, std::string help) {
  add_option(flags, value, std::move(help), false, [&into](const Values& values) {
    into = values.front();
    return Result<void>();
  });
}

void Options::option(const std::string& flags, const std::string& value, std::uint64_t& into,
                     std::string help) {
  add_option(flags, value, std::move(help), false,
             [&into](const Values& values) { return store(parse_decimal(values.front()), into); });
}

void Options::option(const std::string& flags, const std::string& value,
                     std::optional<std::uint64_t>& into, std::string help) {
  add_option(flags, value, std::move(help), false, [&into](const Values& values) {
    return store(parse_decimal(values.front()), into.emplace());
  });
}

void Options::option(const std::string& flags, const std::string& value,
                     std::chrono::microseconds& into, std::string help) {
  add_option(flags, value, std::move(help), false,
             [&into](const Values& values) { return store(parse_span(values.front()), into); });
}

void Options::options(const std::string& flags, const std::string& value,
                      std::vector<std::string>& into, std::string help) {
  add_option(flags, value, std::move(help), true, [&into](const Values& values) {
    into = values;
    return Result<void>();
  });
}

void Options::flag(const std::string& flags, bool& into, std::string help) {
  state_->app.add_flag_callback(flags, [&into] { into = true; });
  state_->long_names.push_back(long_name(flags));
  state_->options.push_back({.syntax = spaced(flags), .text = std::move(help)});
}

void Options::require(const std::string& flags) {
  for (const auto& [declared, option] : state_->by_flags) {
    if (declared == flags) state_->needed.push_back({.name = long_name(flags), .option = option});
  }
}

const std::vector<Options::Help>& Options::arguments_help() const {
  return state_->arguments;
}
const std::vector<Options::Help>& Options::options_help() const {
  return state_->options;
}
std::vector<std::string> Options::argument_names() const {
  return state_->argument_names;
}
std::vector<std::string> Options::long_names() const {
  return state_->long_names;
}

Result<void> Options::check() const {
  if (state_->error) return *state_->error;
  for (const auto& [name, option] : state_->needed) {
    if (option->count() == 0) return reject(name + " is missing");
  }
  return {};
}

std::vector<std::string> armoured(std::vector<std::string> arguments) {
  std::vector<std::string> safe;
  bool only_arguments = false;
  for (std::string& argument : arguments) {
    if (only_arguments || argument.starts_with('[')) {
      safe.push_back(kMark + argument);
    } else if (argument == "--") {
      only_arguments = true;
    } else if (argument.starts_with("--") && argument.find('=') == argument.size() - 1) {
      safe.push_back(argument + kMark);
    } else {
      safe.push_back(std::move(argument));
    }
  }
  return safe;
}

std::string without_armour(std::string argument) {
  if (argument.starts_with(kMark)) argument.erase(0, 1);
  return argument;
}

Result<std::chrono::microseconds> parse_span(const std::string& text) {
  struct Unit {
    const char* name;
    std::uint64_t microseconds;
  };
  static constexpr std::array<Unit, 5> kUnits{
      {{"us", 1}, {"ms", 1000}, {"s", 1'000'000}, {"min", 60'000'000}, {"h", 3'600'000'000}}};
  constexpr std::uint64_t kMost = 1'000'000'000'000'000;  // 31 years

  const auto digits = static_cast<std::size_t>(
      std::ranges::find_if_not(text, [](unsigned char c) { return std::isdigit(c) != 0; }) -
      text.begin());
  const std::string name = text.substr(digits);
  const auto* unit = std::ranges::find_if(kUnits, [&](const Unit& u) { return name == u.name; });
  const auto number = parse_decimal(text.substr(0, digits));
  if (unit == kUnits.end() || !number.ok()) {
    return reject("not a span of time: " + pgtally::quoted(text),
                  "Write a whole number and a unit: 250ms, 1s, 5min, 2h.");
  }
  if (*number > kMost / unit->microseconds)
    return reject("too long a time: " + pgtally::quoted(text));
  return std::chrono::microseconds(static_cast<std::int64_t>(*number * unit->microseconds));
}

}  // namespace pgtally::cli
