// The program: its commands, its command line, its help.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"

namespace pgtally::cli {

class Program {
 public:
  Program();
  ~Program();

  // A noun that has verbs: "source". Declared before the commands "source add", "source list", …
  void add_noun(const std::string& name, Group group, const std::string& summary);
  void add(std::unique_ptr<Command> command);

  // Parses the arguments (without the program's name), runs the command, prints its error.
  [[nodiscard]] Exit run(std::vector<std::string> arguments);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// All commands in commands/list.h.
void add_all_commands(Program& program);

}  // namespace pgtally::cli
