// What a command takes: declared once, it is parsed and explained in the help from the same lines.
//
// CLI11 does the parsing and is seen by options.cc and program.cc only.
//
// Text is taken as it stands; numbers are canonical decimals up to 2^64-1; spans of time are a
// decimal number and one of us, ms, s, min, h. What is given twice where one was asked for, or does
// not parse, is a usage error that names the option.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pgtally/result.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace pgtally::cli {

class Options {
 public:
  struct Help {
    std::string syntax;  // "FILE…", "-o, --output FILE"
    std::string text;
  };

  explicit Options(CLI::App& app);
  Options(Options&&) noexcept;
  ~Options();

  // By place, in the order of their declaration.
  void argument(const std::string& name, std::string& into, std::string help);
  void argument(const std::string& name, std::optional<std::string>& into, std::string help);
  // All that are left; at least one.
  void arguments(const std::string& name, std::vector<std::string>& into, std::string help);
  // All that are left, if any.
  void optional_arguments(const std::string& name, std::vector<std::string>& into,
                          std::string help);

  // `flags` is "--vkey" or "-o,--output". What is not given leaves `into` as it was.
  void option(const std::string& flags, const std::string& value, std::string& into,
              std::string help);
  void option(const std::string& flags, const std::string& value, std::optional<std::string>& into,
              std::string help);
  void option(const std::string& flags, const std::string& value, std::uint64_t& into,
              std::string help);
  void option(const std::string& flags, const std::string& value,
              std::optional<std::uint64_t>& into, std::string help);
  void option(const std::string& flags, const std::string& value, std::chrono::microseconds& into,
              std::string help);
  // May be given again, and may be followed by several values.
  void options(const std::string& flags, const std::string& value, std::vector<std::string>& into,
               std::string help);
  void flag(const std::string& flags, bool& into, std::string help);

  // That the option of these flags, declared before, has to be given.
  void require(const std::string& flags);

  [[nodiscard]] const std::vector<Help>& arguments_help() const;
  [[nodiscard]] const std::vector<Help>& options_help() const;
  // "FILE…", as the usage line shows them.
  [[nodiscard]] std::vector<std::string> argument_names() const;
  // "--vkey", …: what an unknown option may have been meant to be.
  [[nodiscard]] std::vector<std::string> long_names() const;

  // After parsing: the first value that was wrong, or what is missing.
  [[nodiscard]] Result<void> check() const;

 private:
  using Values = std::vector<std::string>;
  using Take = std::function<Result<void>(const Values&)>;
  struct State;

  CLI::Option& add(const std::string& names, Take take);
  void add_argument(const std::string& name, std::string shown, std::string help, bool needed,
                    bool many, Take take);
  void add_option(const std::string& flags, const std::string& value, std::string help, bool many,
                  Take take);

  std::unique_ptr<State> state_;
};

// CLI11 takes "[a,b]" apart into a list, takes the next argument as the value of "--key=", and
// loses what follows "--" behind the first of several arguments. What this makes of the arguments
// comes through whole.
[[nodiscard]] std::vector<std::string> armoured(std::vector<std::string> arguments);
[[nodiscard]] std::string without_armour(std::string argument);

[[nodiscard]] Result<std::chrono::microseconds> parse_span(const std::string& text);

}  // namespace pgtally::cli
