// The server process of a private cluster, as its data directory shows it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "pgtally/result.h"

namespace pgtally::pg {

// What postmaster.pid says while the process that it names really is the server of this directory.
struct Postmaster {
  pid_t pid = 0;
  std::string socket_directory;  // empty until the socket is there
  bool ready = false;            // accepts connections
};

// Nothing if no server runs on the directory, whatever postmaster.pid says: the file outlives a
// SIGKILL and a reboot, may have been copied with the directory, and its process id may belong to
// somebody else by now. A server is known by its working directory.
[[nodiscard]] std::optional<Postmaster> find_postmaster(const std::filesystem::path& data);

// Takes away a postmaster.pid whose process id belongs to a zombie, or to a process that is no
// server of this directory: PostgreSQL would take it for one and refuse to start. Anything else it
// judges itself, also without the file: backends that still run are seen by their shared memory.
// Precondition: find_postmaster() found nothing, and nobody else starts a server meanwhile.
void remove_misleading_pid_file(const std::filesystem::path& data);

// True while the process exists and is not a zombie.
[[nodiscard]] bool is_alive(pid_t pid);

// Waits until no server runs on the directory; false if one still does when the time is over.
[[nodiscard]] bool await_exit(const std::filesystem::path& data, std::chrono::seconds patience);

}  // namespace pgtally::pg
