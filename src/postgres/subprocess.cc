#include "postgres/subprocess.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

namespace pgtally::pg {
namespace {

constexpr int kDirectoryDescriptor = 9;
constexpr std::size_t kMaxInput = 4096;  // what a pipe takes without a reader

// Everything that the child needs, laid out before fork().
struct Prepared {
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::vector<gid_t> groups;
  File input, output, directory;
};

// Only what the programs need: PG* variables would change the server's settings, LANG the language
// of its messages, and what else stands in root's environment is not for another user to read.
std::vector<char*> clean_environment() {
  static char locale[] = "LC_ALL=C.UTF-8";
  std::vector<char*> kept{locale};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    for (const std::string_view name : {"PATH=", "LD_LIBRARY_PATH=", "TZ="})
      if (text.starts_with(name)) kept.push_back(*variable);
  }
  kept.push_back(nullptr);
  return kept;
}

// Above the descriptors that the child lays its own out on.
Result<File> copy_descriptor(int descriptor) {
  File copy(fcntl(descriptor, F_DUPFD_CLOEXEC, kDirectoryDescriptor + 1));
  if (!copy.is_open()) return operator_error(std::string("dup: ") + strerror(errno));
  return copy;
}

struct Pipe {
  File read_end, write_end;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return operator_error(std::string("pipe: ") + strerror(errno));
  const File read_end(ends[0]);
  const File write_end(ends[1]);
  Pipe made;
  TRY(made.read_end, copy_descriptor(read_end.get()));
  TRY(made.write_end, copy_descriptor(write_end.get()));
  return made;
}

Result<File> input_with(const std::string& text) {
  if (text.empty()) return File(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (text.size() > kMaxInput) return reject("too much input for " + std::to_string(kMaxInput));
  TRY(Pipe pipe, make_pipe());
  if (write(pipe.write_end.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return operator_error(std::string("writing to a pipe: ") + strerror(errno));
  return std::move(pipe.read_end);
}

Result<Prepared> prepare(const Command& command) {
  Prepared ready;
  for (const std::string& argument : command.arguments)
    ready.arguments.push_back(const_cast<char*>(argument.c_str()));
  ready.arguments.push_back(nullptr);
  ready.environment = clean_environment();

  int count = 64;
  ready.groups.resize(static_cast<std::size_t>(count));
  if (getgrouplist(command.user.name.c_str(), command.user.gid, ready.groups.data(), &count) < 0) {
    count = 1;
    ready.groups[0] = command.user.gid;
  }
  ready.groups.resize(static_cast<std::size_t>(count));

  TRY(const File input, input_with(command.input));
  TRY(ready.input, copy_descriptor(input.get()));
  const File nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  TRY(ready.output, copy_descriptor(command.output >= 0 ? command.output : nowhere.get()));
  if (command.directory >= 0) {
    TRY(ready.directory, copy_descriptor(command.directory));
  }
  return ready;
}

// Runs in the child. Tells `failure` errno if the program could not be started.
[[noreturn]] void become(const Prepared& ready, const OsUser& user, int failure) {
  // The low descriptors are free for our use, because all that we were given stands above them.
  const int report = kDirectoryDescriptor - 1;
  const bool in_place = setsid() != -1 && chdir("/") == 0 && dup2(ready.input.get(), 0) == 0 &&
                        dup2(ready.output.get(), 1) == 1 && dup2(ready.output.get(), 2) == 2 &&
                        dup3(failure, report, O_CLOEXEC) == report &&
                        (!ready.directory.is_open() ||
                         dup2(ready.directory.get(), kDirectoryDescriptor) == kDirectoryDescriptor);
  bool ready_to_go = in_place;
  if (ready_to_go && geteuid() == 0 && user.uid != 0) {
    ready_to_go = setgroups(ready.groups.size(), ready.groups.data()) == 0 &&
                  setresgid(user.gid, user.gid, user.gid) == 0 &&
                  setresuid(user.uid, user.uid, user.uid) == 0;
  }
  if (ready_to_go) {
    for (int descriptor = 3; descriptor < report; ++descriptor) ::close(descriptor);
    if (!ready.directory.is_open()) ::close(kDirectoryDescriptor);
    close_range(kDirectoryDescriptor + 1, ~0U, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int ignored : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGCHLD})
      ::signal(ignored, SIG_DFL);
    execve(ready.arguments[0], ready.arguments.data(), ready.environment.data());
  }
  const int reason = errno;
  // Nobody is left to tell if this fails.
  [[maybe_unused]] const ssize_t told = write(in_place ? report : failure, &reason, sizeof reason);
  _exit(127);
}

// Waits until the program runs, or could not be started.
Result<void> await_exec(const File& failure, const Command& command) {
  int reason = 0;
  ssize_t got = 0;
  do {
    got = read(failure.get(), &reason, sizeof reason);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return {};
  return operator_error("cannot start " + command.arguments[0] + " as user " + command.user.name +
                        ": " + strerror(reason));
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

OsUser OsUser::by_id(uid_t uid) {
  const passwd* entry = getpwuid(uid);
  if (entry == nullptr) return OsUser{uid, static_cast<gid_t>(uid), "#" + std::to_string(uid)};
  return OsUser{uid, entry->pw_gid, entry->pw_name};
}

OsUser OsUser::current() {
  return by_id(geteuid());
}

Result<OsUser> OsUser::by_name(const std::string& name) {
  const passwd* entry = getpwnam(name.c_str());
  if (entry == nullptr) return operator_error("there is no user " + name);
  return OsUser{entry->pw_uid, entry->pw_gid, entry->pw_name};
}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = other.release();
  }
  return *this;
}

int File::release() {
  const int descriptor = descriptor_;
  descriptor_ = -1;
  return descriptor;
}

void File::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

Result<int> run(const Command& command) {
  TRY(const Prepared ready, prepare(command));
  TRY(Pipe failure, make_pipe());

  const pid_t child = fork();
  if (child < 0) return operator_error(std::string("fork: ") + strerror(errno));
  if (child == 0) become(ready, command.user, failure.write_end.get());
  failure.write_end.close();
  auto started = await_exec(failure.read_end, command);
  const int status = wait_for(child);
  TRY_VOID(std::move(started));
  return status;
}

Result<pid_t> start_in_background(const Command& command) {
  TRY(const Prepared ready, prepare(command));
  TRY(Pipe failure, make_pipe());
  TRY(const Pipe told_pid, make_pipe());

  // Twice, so that init and not this process has to wait for the server's end.
  const pid_t child = fork();
  if (child < 0) return operator_error(std::string("fork: ") + strerror(errno));
  if (child == 0) {
    const pid_t server = fork();
    if (server == 0) become(ready, command.user, failure.write_end.get());
    const ssize_t told = write(told_pid.write_end.get(), &server, sizeof server);
    _exit(told == sizeof server ? 0 : 1);
  }
  failure.write_end.close();
  pid_t server = -1;
  if (wait_for(child) != 0 ||
      read(told_pid.read_end.get(), &server, sizeof server) != sizeof server || server < 0)
    return operator_error("cannot start " + command.arguments[0] + ": fork failed");
  TRY_VOID(await_exec(failure.read_end, command));
  return server;
}

}  // namespace pgtally::pg
