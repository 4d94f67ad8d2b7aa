#include "processes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "harness.h"

namespace pgtally::bench {
namespace {

// With all its output going to `out`.
pid_t start(const std::vector<std::string>& command, int out) {
  std::vector<char*> argv;
  for (const std::string& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) fail(operator_error("fork() failed"));
  if (pid > 0) return pid;
  ::dup2(out, STDOUT_FILENO);
  ::dup2(out, STDERR_FILENO);
  ::execvp(argv[0], argv.data());
  ::_exit(127);
}

}  // namespace

std::string output_of(const std::vector<std::string>& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail(operator_error("pipe() failed"));
  const pid_t pid = start(command, ends[1]);
  ::close(ends[1]);
  std::string output;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    output.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (status == 0) return output;
  fail(operator_error(fmt::format("{}: status {}", fmt::join(command, " "), status), output));
}

Process::Process(const std::vector<std::string>& command, int out) : name_(command.front()) {
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  pid_ = start(command, out >= 0 ? out : nowhere);
  ::close(nowhere);
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

void Process::check_running() {
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == 0) return;
  pid_ = 0;
  fail(operator_error(fmt::format("{} ended by itself, status {}", name_, status)));
}

Service::Service(const std::string& conninfo, const std::string& state_directory, Log log) {
  const std::vector<std::string> command{PGTALLY_PROGRAM, "run",     "--database",
                                         conninfo,        "--state", state_directory};
  if (log == Log::kDiscard) {
    process_.emplace(command);
    return;
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail(operator_error("pipe() failed"));
  process_.emplace(command, ends[1]);
  ::close(ends[1]);
  log_ = ::fdopen(ends[0], "r");
}

Service::~Service() {
  process_.reset();
  if (log_ != nullptr) std::fclose(log_);
}

void Service::wait_for(const char* word) {
  char line[4096];
  while (std::fgets(line, sizeof line, log_) != nullptr) {
    if (std::strstr(line, word) != nullptr) return;
  }
  fail(operator_error("the service ended before it said \"" + std::string(word) + "\""));
}

}  // namespace pgtally::bench
