#include "postgres/private_cluster.h"

#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>
#include <thread>
#include <tuple>

#include "base/encoding.h"
#include "postgres/postmaster.h"
#include "postgres/server_log.h"
#include "postgres/server_programs.h"
#include "postgres/socket_directory.h"

namespace pgtally::pg {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr auto kPollInterval = std::chrono::milliseconds(5);
constexpr auto kStartPatience = std::chrono::minutes(10);  // recovery from a long WAL included
constexpr auto kStopPatience = std::chrono::seconds(60);
constexpr auto kOrphanPatience = std::chrono::seconds(10);
constexpr const char* kData = "data";
constexpr const char* kUnfinished = "initdb-";
constexpr const char* kPort = "5432";  // only names the socket file

std::string because() {
  return std::string(": ") + strerror(errno);
}

Result<File> open_directory(const fs::path& path) {
  File directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory.is_open()) return operator_error("cannot open " + path.string() + because());
  return directory;
}

// As root we become the user that the data belong to already, or will belong to.
Result<OsUser> choose_server_user(const fs::path& data) {
  if (geteuid() != 0) return OsUser::current();
  struct stat status{};
  if (stat(data.c_str(), &status) == 0) {
    if (status.st_uid != 0) return OsUser::by_id(status.st_uid);
    return operator_error(data.string() + " belongs to root, and PostgreSQL refuses to run as root",
                          "Give it to another user: chown -R postgres " + data.string());
  }
  auto user = OsUser::by_name("postgres");
  if (user.ok()) return user;
  return operator_error(
      "PostgreSQL refuses to run as root, and there is no user postgres to run it as",
      "Install the server, which makes that user: apt-get install postgresql-15\n"
      "Or run pgtally as a user other than root.");
}

// The name of a file in `dir` if the directory is neither empty nor one of ours.
std::string foreign_content(const fs::path& dir) {
  std::error_code ignored;
  const fs::directory_iterator first(dir, ignored);
  if (first == fs::directory_iterator()) return {};
  // Looked for only now: what was seen first may be what another opener had just made.
  if (fs::exists(dir / ClusterLock::kGateFile, ignored)) return {};
  return first->path().filename().string();
}

// Left by an initdb that was killed. Each has a name of its own, so that one which still runs can
// do no harm to ours.
void remove_unfinished(const fs::path& dir) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(dir, ignored)) {
    if (entry.path().filename().string().starts_with(kUnfinished))
      fs::remove_all(entry.path(), ignored);
  }
}

Result<int> major_version_of(const fs::path& data) {
  std::ifstream file(data / "PG_VERSION");
  std::string line;
  std::getline(file, line);
  const auto major = parse_decimal(line);
  if (major.ok() && *major < 1000) return static_cast<int>(*major);
  return operator_error("cannot read the version of the cluster in " + data.string(),
                        "The directory is damaged, or belongs to another user.");
}

std::vector<std::string> initdb_arguments(const fs::path& programs, bool fsync) {
  const locale_t utf8 = newlocale(LC_ALL_MASK, "C.UTF-8", locale_t{});
  if (utf8 != locale_t{}) freelocale(utf8);
  std::vector<std::string> arguments{
      programs / "initdb",  "--pgdata",
      Command::kDirectory,  "--username=postgres",
      "--encoding=UTF8",    utf8 != locale_t{} ? "--locale=C.UTF-8" : "--locale=C",
      "--data-checksums",   "--auth-local=trust",
      "--auth-host=reject", "--no-instructions"};
  if (!fsync) arguments.emplace_back("--no-sync");
  return arguments;
}

std::vector<std::string> server_arguments(const fs::path& programs, const std::string& data,
                                          const std::string& socket_directory,
                                          const PrivateClusterOptions& options) {
  std::vector<std::string> arguments{programs / "postgres", "-D", data};
  const auto set = [&arguments](const std::string& name, const std::string& value) {
    arguments.insert(arguments.end(), {"-c", name + "=" + value});
  };
  set("max_prepared_transactions", "20");
  set("log_checkpoints", "off");
  for (const auto& [name, value] : options.settings) set(name, value);
  // What follows is promised, so it comes last and wins.
  set("listen_addresses", "");
  set("port", kPort);
  set("unix_socket_directories", socket_directory);
  set("unix_socket_permissions", "0700");
  set("logging_collector", "off");
  set("log_destination", "stderr");
  set("fsync", options.fsync ? "on" : "off");
  if (!options.fsync) set("pgtally.fsync_off_was_asked_for", "on");
  return arguments;
}

// True if the user of the server can get to the directory by its name.
Result<bool> reaches(const OsUser& user, const fs::path& directory) {
  if (geteuid() != 0) return true;
  TRY(const int status, run({.arguments = {"/usr/bin/test", "-x", directory}, .user = user}));
  return status == 0;
}

// For libpq's keyword=value form.
std::string quoted_value(const std::string& value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

}  // namespace

Result<PrivateCluster> PrivateCluster::open(const fs::path& dir,
                                            const PrivateClusterOptions& options) {
  PrivateCluster cluster;
  cluster.dir_ = dir;
  cluster.options_ = options;
  TRY_VOID(cluster.prepare_directory());
  TRY(cluster.lock_, ClusterLock::open(cluster.dir_, cluster.server_user_));
  TRY_VOID(cluster.lock_.enter_gate());
  remove_unfinished(cluster.dir_);

  std::optional<int> major;
  if (fs::exists(cluster.dir_ / kData)) {
    TRY(major, major_version_of(cluster.dir_ / kData));
  }
  TRY(cluster.programs_, find_server_programs(major));
  if (!major) TRY_VOID(cluster.create_data());
  TRY_VOID(cluster.ensure_running());
  TRY_VOID(cluster.lock_.become_user());
  cluster.lock_.leave_gate();
  return cluster;
}

PrivateCluster::~PrivateCluster() {
  // Whoever wants to know of errors calls close(); the next user takes a server that stayed over.
  std::ignore = close();
}

std::string PrivateCluster::conninfo(const std::string& database) const {
  return "host=" + quoted_value(socket_directory_) + " port=" + kPort +
         " user=postgres dbname=" + quoted_value(database);
}

Result<void> PrivateCluster::close() {
  if (!lock_.is_held()) return {};
  TRY_VOID(lock_.enter_gate());
  Result<void> stopped;
  if (lock_.is_last_user()) {
    stopped = stop(Shutdown::kFast);
    rmdir(socket_directory_.c_str());  // it may stand outside DIR; fails, rightly, if not empty
  }
  lock_.release();
  return stopped;
}

Result<void> PrivateCluster::stop(Shutdown how) {
  const auto postmaster = find_postmaster(dir_ / kData);
  if (!postmaster) return {};
  const int signal = how == Shutdown::kFast        ? SIGINT
                     : how == Shutdown::kImmediate ? SIGQUIT
                                                   : SIGKILL;
  if (kill(postmaster->pid, signal) != 0 && errno != ESRCH)
    return operator_error("cannot stop the private PostgreSQL server, process " +
                          std::to_string(postmaster->pid) + because());
  if (await_exit(dir_ / kData, kStopPatience)) return {};
  return operator_error("the private PostgreSQL server, process " +
                            std::to_string(postmaster->pid) + ", has not stopped after " +
                            std::to_string(kStopPatience.count()) + " s",
                        "Stop it by hand: kill -QUIT " + std::to_string(postmaster->pid));
}

Result<void> PrivateCluster::start() {
  TRY_VOID(lock_.enter_gate());
  auto started = ensure_running();
  lock_.leave_gate();
  return started;
}

Result<void> PrivateCluster::prepare_directory() {
  std::error_code failure;
  const bool made = fs::create_directories(dir_, failure);
  const bool usable = !failure && fs::is_directory(dir_, failure) && !failure;
  if (!usable)
    return operator_error("cannot make the directory " + dir_.string() +
                          " for a private cluster: " +
                          (failure ? failure.message() : "there is a file of that name"));
  dir_ = fs::canonical(dir_, failure);
  if (failure) return operator_error("cannot resolve " + dir_.string() + ": " + failure.message());
  if (made && geteuid() != 0) chmod(dir_.c_str(), 0700);

  if (const std::string content = foreign_content(dir_); !content.empty())
    return operator_error(dir_.string() + " holds something else (" + pgtally::quoted(content) +
                              " and perhaps more), so no private cluster is made there",
                          "Name a directory that is empty, or not there yet.");
  TRY(server_user_, choose_server_user(dir_ / kData));
  return {};
}

Result<void> PrivateCluster::create_data() {
  std::string made = dir_ / (std::string(kUnfinished) + "XXXXXX");
  if (mkdtemp(made.data()) == nullptr)
    return operator_error("cannot make a directory in " + dir_.string() + because());
  TRY(const File directory, open_directory(made));
  if (geteuid() == 0 && fchown(directory.get(), server_user_.uid, server_user_.gid) != 0)
    return operator_error("cannot give " + made + " to user " + server_user_.name + because());

  TRY(const ServerLog log, ServerLog::open(dir_, server_user_));
  Command command{.arguments = initdb_arguments(programs_, options_.fsync),
                  .user = server_user_,
                  .output = log.descriptor(),
                  .directory = directory.get(),
                  .input = {}};
  TRY(int status, run(command));
  if (status == 0) {
    // Before the rename, so that a cluster without its database never exists.
    command.arguments = {programs_ / "postgres", "--single", "-D", Command::kDirectory, "-c",
                         "exit_on_error=on",     "template1"};
    command.input = std::string("CREATE DATABASE ") + kDatabase + "\n";
    TRY(status, run(command));
  }
  if (status != 0) {
    remove_unfinished(dir_);
    return operator_error(
        "cannot make a private cluster in " + dir_.string() + ": " + log.last_error(),
        log.tail_as_hint());
  }
  TRY(const File parent, open_directory(dir_));
  if (rename(made.c_str(), (dir_ / kData).c_str()) != 0 ||
      (options_.fsync && fsync(parent.get()) != 0))
    return operator_error("cannot rename " + made + " to " + kData + because());
  return {};
}

Result<void> PrivateCluster::ensure_running() {
  const auto deadline = steady_clock::now() + kStartPatience;
  while (steady_clock::now() < deadline) {
    const auto postmaster = find_postmaster(dir_ / kData);
    if (!postmaster) {
      TRY_VOID(start_server());
    } else if (!postmaster->ready) {
      std::this_thread::sleep_for(kPollInterval);  // starts or stops
    } else if (has_socket(postmaster->socket_directory)) {
      socket_directory_ = postmaster->socket_directory;
      return {};
    } else {
      // The directory was renamed under the running server, or its socket deleted.
      TRY_VOID(stop(Shutdown::kFast));
    }
  }
  return retry("the private PostgreSQL server in " + dir_.string() + " is not ready yet",
               "It may be recovering from a crash: look at " + (dir_ / ServerLog::kName).string());
}

Result<void> PrivateCluster::start_server() {
  const fs::path data = dir_ / kData;
  TRY(const bool reached, reaches(server_user_, data));
  TRY(const std::string sockets, prepare_socket_directory(dir_, reached, server_user_));
  TRY(const File directory, open_directory(data));

  const auto orphan_deadline = steady_clock::now() + kOrphanPatience;
  while (true) {
    remove_misleading_pid_file(data);
    TRY(const ServerLog log, ServerLog::open(dir_, server_user_));
    TRY(const pid_t pid,
        start_in_background(
            {.arguments = server_arguments(programs_, reached ? data.string() : Command::kDirectory,
                                           sockets, options_),
             .user = server_user_,
             .output = log.descriptor(),
             .directory = reached ? -1 : directory.get(),
             .input = {}}));
    while (is_alive(pid)) {
      const auto postmaster = find_postmaster(data);
      if (postmaster && postmaster->pid == pid && postmaster->ready) return {};
      std::this_thread::sleep_for(kPollInterval);
    }
    // Backends of a postmaster that was killed need a moment to notice and end.
    const bool orphans = log.contains("is still in use");
    if (!orphans || steady_clock::now() > orphan_deadline)
      return operator_error("the private PostgreSQL server in " + dir_.string() +
                                " did not start: " + log.last_error(),
                            log.tail_as_hint());
    std::this_thread::sleep_for(20 * kPollInterval);
  }
}

}  // namespace pgtally::pg
