// What a command is. A command is one file in commands/ and one line in commands/list.h.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/options.h"
#include "pgtally/result.h"

namespace pgtally::cli {

class Context;

// The program's exit status.
enum class Exit : int {
  kOk = 0,
  kNo = 1,           // verification says no
  kUsage = 2,        // the command line, or what it names, is wrong
  kEnvironment = 3,  // cannot connect, no permission, a missing file
};

// The headings of `pgtally --help`, in this order.
enum class Group { kStart, kRecord, kProve, kCheck, kPlumbing };

struct Example {
  std::string command;
  std::string does;
};

struct Description {
  // "verify", or "source add": the noun is declared with Program::add_noun()
  std::string name = {};
  Group group = Group::kStart;  // for a verb of a noun, the noun's counts
  std::string summary = {};     // one line, lower case, no full stop
  std::string usage = {};       // what follows the name; empty: made of the declared arguments
  std::string details = {};     // a few sentences; may be empty
  std::vector<Example> examples = {};
  // --database behind its name is an option of its own, and no global one.
  bool has_own_database = false;
  bool passes_on = false;  // what follows the name is for another program, options included
};

class Command {
 public:
  Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  virtual ~Command() = default;

  [[nodiscard]] virtual Description describe() const = 0;
  // Declares options that are parsed into members before run().
  virtual void declare(Options& options) = 0;
  // An error that is returned is printed, and gives the exit status that exit_of() has for it.
  [[nodiscard]] virtual Result<Exit> run(Context& context) = 0;
};

}  // namespace pgtally::cli
