#include "postgres/socket_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/encoding.h"
#include "crypto/sha256.h"

namespace pgtally::pg {
namespace {

constexpr std::string_view kSocketFile = ".s.PGSQL.5432";
constexpr std::size_t kHashDigits = 16;

bool fits(const std::string& directory) {
  // With a slash before the file and a zero byte behind it.
  const bool is_short =
      directory.size() + 1 + kSocketFile.size() + 1 <= sizeof(sockaddr_un::sun_path);
  const bool is_plain = std::none_of(directory.begin(), directory.end(), [](char c) {
    return c == ',' || c == '"' || static_cast<unsigned char>(c) < ' ';
  });
  return is_short && is_plain;
}

}  // namespace

Result<std::string> prepare_socket_directory(const std::filesystem::path& dir,
                                             bool dir_is_reachable, const OsUser& owner) {
  std::string made = dir / "socket";
  if (!dir_is_reachable || !fits(made))
    made = "/tmp/pgtally-" + to_hex(sha256(dir.string()).view()).substr(0, kHashDigits);

  if (mkdir(made.c_str(), 0700) != 0 && errno != EEXIST)
    return operator_error("cannot make " + made + ": " + strerror(errno));
  const File directory(::open(made.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!directory.is_open() || fstat(directory.get(), &status) != 0)
    return operator_error(
        "cannot open " + made + ": " + strerror(errno),
        "It must be a directory of user " + owner.name + "; remove what is there.");
  // Ours if it belongs to the server's user, or to root when that is who we are.
  const bool ours = status.st_uid == owner.uid || status.st_uid == geteuid();
  if (!ours || (status.st_mode & 0077) != 0)
    return operator_error("others may enter " + made + ", where the server's socket would stand",
                          "Somebody else made it; remove it, or use another directory.");
  if (status.st_uid != owner.uid && fchown(directory.get(), owner.uid, owner.gid) != 0)
    return operator_error("cannot give " + made + " to user " + owner.name + ": " +
                          strerror(errno));

  // The lock file names a process id that may be somebody else's by now, and would be believed.
  for (const char* suffix : {"", ".lock"})
    unlinkat(directory.get(), (std::string(kSocketFile) + suffix).c_str(), 0);
  return made;
}

bool has_socket(const std::filesystem::path& socket_directory) {
  struct stat status{};
  return !socket_directory.empty() &&
         stat((socket_directory / kSocketFile).c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

}  // namespace pgtally::pg
