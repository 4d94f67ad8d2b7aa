// pgtally psql: psql on whatever database pgtally would use.

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "cli/commands/list.h"
#include "cli/context.h"
#include "cli/program.h"

namespace pgtally::cli {
namespace {

// psql decides what Ctrl-C means while it runs.
class InterruptsIgnored {
 public:
  InterruptsIgnored()
      : interrupt_(std::signal(SIGINT, SIG_IGN)), quit_(std::signal(SIGQUIT, SIG_IGN)) {}
  ~InterruptsIgnored() {
    std::signal(SIGINT, interrupt_);
    std::signal(SIGQUIT, quit_);
  }
  InterruptsIgnored(const InterruptsIgnored&) = delete;
  InterruptsIgnored& operator=(const InterruptsIgnored&) = delete;

 private:
  void (*interrupt_)(int);
  void (*quit_)(int);
};

// Started, not become: this process holds the private cluster while psql runs.
Result<int> run_psql(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t defaults;
  ::sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGINT, SIGQUIT}) ::sigaddset(&defaults, signal);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, "psql", nullptr, &attributes, argv.data(), ::environ);
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0) {
    return operator_error(std::string("cannot start psql: ") + std::strerror(failed),
                          "Install it with: apt-get install postgresql-client");
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return operator_error(std::string("lost psql: ") + std::strerror(errno));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class Psql : public Command {
 public:
  Description describe() const override {
    return {.name = "psql",
            .group = Group::kPlumbing,
            .summary = "open psql on the database that pgtally would use",
            .usage = "[ARGUMENT…]",
            .details =
                "Everything behind `psql` goes to psql as it stands, and its exit status comes "
                "back: 3 where psql could not do what it was asked, 0 if it could.",
            .examples = {{"pgtally psql", "Look around"},
                         {"pgtally psql -c 'SELECT * FROM pgtally.processed_log LIMIT 3'",
                          "One statement"},
                         {"pgtally --embedded quickstart-data/postgres psql -f load.sql",
                          "A script, in a private cluster"}},
            .passes_on = true};
  }
  void declare(Options& options) override {
    options.optional_arguments("ARGUMENT", arguments_, "for psql");
  }
  Result<Exit> run(Context& context) override {
    TRY(const std::string conninfo, context.database().conninfo());
    std::vector<std::string> arguments{"psql"};
    if (!conninfo.empty()) {
      arguments.emplace_back("-d");
      arguments.push_back(conninfo);
    }
    arguments.insert(arguments.end(), arguments_.begin(), arguments_.end());
    const InterruptsIgnored ignored;
    TRY(const int status, run_psql(arguments));
    return status == 0 ? Exit::kOk : Exit::kEnvironment;
  }

 private:
  std::vector<std::string> arguments_;
};

}  // namespace

void add_psql(Program& program) {
  program.add(std::make_unique<Psql>());
}

}  // namespace pgtally::cli
