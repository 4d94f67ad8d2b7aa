// A private PostgreSQL cluster in a directory of its own: what `--embedded DIR` runs.
//
// Invariants
//   - Nothing but a Unix socket leads in: no TCP port, and the socket stands in a directory which
//     only the server's user (and root) may enter, so that connections need no password.
//   - While a process holds a PrivateCluster, no other one stops the server; the last that lets go
//     does. Held by flock, so a killed process holds nothing.
//   - DIR/data is there only when it is complete: initdb works under another name, then renames.
//   - Nothing that pgtally did not make is changed or deleted.
//
// DIR holds data/ (the cluster), socket/, server.log, pgtally.lock (held while the server is
// started or stopped) and users.lock (held, shared, by each user). A server that its user left
// behind by dying is taken over by the next. The server has a session of its own, so that Ctrl-C
// does not reach it, and inherits no file but its log.
//
// PostgreSQL refuses to run as root. Started by root, the server runs as the owner of DIR/data if
// there is one already, else as `postgres`, and a DIR that this user cannot reach (below /root,
// say) is handed to it as an open directory.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "pgtally/result.h"
#include "postgres/cluster_lock.h"
#include "postgres/subprocess.h"

namespace pgtally::pg {

// What the server is started with. It counts for whoever starts the server: one that runs already
// keeps what it has. Later settings win over earlier ones and over ALTER SYSTEM.
struct PrivateClusterOptions {
  // Off only where data may be lost with the machine. The server then carries the setting
  // `pgtally.fsync_off_was_asked_for = on`, by which others can tell it from a careless one.
  bool fsync = true;
  std::vector<std::pair<std::string, std::string>> settings;
};

enum class Shutdown {
  kFast,       // rolls open transactions back, writes a checkpoint
  kImmediate,  // aborts; the next start recovers from the WAL
  kKill,       // SIGKILL to the postmaster alone: what a crash or the OOM killer does
};

class PrivateCluster {
 public:
  // The database that every private cluster has from the beginning.
  static constexpr const char* kDatabase = "pgtally";

  // Makes the cluster if DIR is missing or empty (about a second), starts its server if it is not
  // running, and holds it. Waits while another process does the same. kOperator, with the end of
  // the server's log where that helps: no server programs, another major version, a directory that
  // holds something else or belongs to somebody else, disk full.
  [[nodiscard]] static Result<PrivateCluster> open(const std::filesystem::path& dir,
                                                   const PrivateClusterOptions& options = {});

  PrivateCluster(PrivateCluster&&) noexcept = default;
  PrivateCluster& operator=(PrivateCluster&&) = delete;
  ~PrivateCluster();  // close(), with errors ignored

  // For libpq, as keywords and values: superuser, Unix socket.
  [[nodiscard]] std::string conninfo(const std::string& database = kDatabase) const;

  // The directory of the socket, as libpq's `host` takes it.
  [[nodiscard]] const std::string& socket_directory() const { return socket_directory_; }
  [[nodiscard]] const std::filesystem::path& directory() const { return dir_; }

  // Lets go of the cluster, and stops the server if nobody else holds it. Calling it again does
  // nothing. In a child made by fork() it does nothing at all.
  Result<void> close();

  // For tests of crashes and recovery: whoever else is using the server loses it.
  Result<void> stop(Shutdown how);
  Result<void> start();

 private:
  PrivateCluster() = default;

  Result<void> prepare_directory();
  Result<void> create_data();
  Result<void> find_socket_directory();
  Result<void> ensure_running();
  Result<void> start_server();

  std::filesystem::path dir_;
  PrivateClusterOptions options_;
  OsUser server_user_;
  std::filesystem::path programs_;  // where postgres and initdb are
  std::string socket_directory_;
  ClusterLock lock_;
};

}  // namespace pgtally::pg
