// All that a command gets to work with.
#pragma once

#include "cli/database.h"
#include "cli/globals.h"
#include "cli/terminal/output.h"

namespace pgtally::cli {

class Context {
 public:
  Context(Globals globals, Output& output)
      : globals_(std::move(globals)), output_(output), database_(globals_, output) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  [[nodiscard]] const Globals& globals() const noexcept { return globals_; }
  // Before anything was connected: the database of a command line that names it elsewhere.
  void use_database(std::string conninfo) { globals_.database = std::move(conninfo); }

  [[nodiscard]] bool json() const noexcept { return globals_.json; }
  [[nodiscard]] Output& output() noexcept { return output_; }
  // Connects to nothing until it is asked to.
  [[nodiscard]] Database& database() noexcept { return database_; }

 private:
  Globals globals_;
  Output& output_;
  Database database_;
};

}  // namespace pgtally::cli
