#include "torture/pgtally_program.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "torture/child_process.h"

namespace pgtally::torture {

std::string signing_state(const test::TestDirectory& directory) {
  return directory.path() / "state";
}

std::vector<std::string> pgtally_command(const std::string& conninfo,
                                         const std::vector<std::string>& arguments) {
  std::vector<std::string> command{PGTALLY_PROGRAM, "--database", conninfo};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

void run_pgtally(const std::vector<std::string>& arguments, const std::string& conninfo,
                 const test::TestDirectory& directory) {
  const auto log = directory.path() / (arguments[0] + ".log");
  const int status = ChildProcess(pgtally_command(conninfo, arguments), log).wait();
  if (status == 0) return;
  throw std::runtime_error(fmt::format("pgtally {}: exit status {}\n{}", fmt::join(arguments, " "),
                                       status, end_of(log)));
}

std::string end_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  const std::string all = text.str();
  return all.substr(all.size() > 2000 ? all.size() - 2000 : 0);
}

}  // namespace pgtally::torture
