#include "cli/demo_stage.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace pgtally::cli {

Result<DemoStage::TemporaryDirectory> DemoStage::TemporaryDirectory::make() {
  std::error_code error;
  const auto parent = std::filesystem::temp_directory_path(error);
  std::string path = ((error ? "/tmp" : parent) / "pgtally-demo-XXXXXX").string();
  if (::mkdtemp(path.data()) != nullptr) return TemporaryDirectory(std::move(path));
  return operator_error("cannot make a directory " + path + ": " + std::strerror(errno),
                        "Set TMPDIR to one that can be written to.");
}

DemoStage::TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

DemoStage::TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<DemoStage> DemoStage::build(Context& context) {
  TRY(StopSignal stop, StopSignal::install());
  TRY(TemporaryDirectory directory, TemporaryDirectory::make());
  TRY(pg::PrivateCluster cluster, pg::PrivateCluster::open(directory.path() + "/postgres"));
  return DemoStage(context, std::move(stop), std::move(directory), std::move(cluster));
}

DemoStage::DemoStage(Context& context, StopSignal stop, TemporaryDirectory directory,
                     pg::PrivateCluster cluster)
    : context_(&context),
      stop_(std::move(stop)),
      directory_(std::move(directory)),
      cluster_(std::move(cluster)) {
  options_.conninfo = cluster_.conninfo();
  options_.schema = kDefaultSchema;
  options_.state_directory = directory_.path() + "/state";
  ::setenv("PGTALLY_DATABASE", options_.conninfo.c_str(), 1);
  ::setenv("PGTALLY_STATE", options_.state_directory.c_str(), 1);
  for (const char* name : {"PGTALLY_EMBEDDED", "PGTALLY_SCHEMA"}) ::unsetenv(name);
}

void DemoStage::say(const std::string& heading, const std::string& text) const {
  Output& out = context_->output();
  out.line("\n" + out.out().styled(heading, Emphasis::kHeading));
  if (!text.empty()) out.line(text);
}

Result<void> DemoStage::go_on() const {
  if (stop_.requested()) return retry("stopped half-way; everything was removed");
  return {};
}

Result<void> DemoStage::pgtally(std::vector<std::string> arguments, Exit expected) const {
  TRY_VOID(go_on());
  const std::string command = fmt::format("pgtally {}", fmt::join(arguments, " "));
  tell("\n" + context_->output().out().styled("$ " + command, Emphasis::kHeading));
  TRY_VOID(context_->output().finish());
  arguments.insert(arguments.begin(), "pgtally");
  TRY(const int status, run(arguments));
  TRY_VOID(go_on());
  if (status == static_cast<int>(expected)) return {};
  return operator_error(fmt::format("\"{}\" ended with exit status {} instead of {}", command,
                                    status, static_cast<int>(expected)));
}

Result<int> DemoStage::run(std::vector<std::string>& arguments) const {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addchdir_np(&actions, directory_.path().c_str());
  pid_t child = 0;
  const int failed =
      ::posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv.data(), ::environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    return operator_error(std::string("cannot start this program: ") + std::strerror(failed));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR)
      return operator_error(std::string("lost a command: ") + std::strerror(errno));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace pgtally::cli
