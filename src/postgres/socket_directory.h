// Where the Unix socket of a private cluster stands.
#pragma once

#include <filesystem>
#include <string>

#include "pgtally/result.h"
#include "postgres/subprocess.h"

namespace pgtally::pg {

// Makes the directory and empties it of what a dead server left there. It is DIR/socket. Where that
// is too long for a socket (107 bytes), has a character that libpq or the server would read as a
// separator, or cannot be reached by the server's user, it is /tmp/pgtally-<hash of DIR>.
// Either way it belongs to the server's user, who alone may enter it; one that somebody else made
// is refused. Precondition: no server is running.
[[nodiscard]] Result<std::string> prepare_socket_directory(const std::filesystem::path& dir,
                                                           bool dir_is_reachable,
                                                           const OsUser& owner);

[[nodiscard]] bool has_socket(const std::filesystem::path& socket_directory);

}  // namespace pgtally::pg
