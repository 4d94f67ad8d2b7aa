#include "postgres/cluster_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pgtally::pg {
namespace {

Result<File> open_lock_file(const std::filesystem::path& path, const OsUser& owner) {
  File file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.is_open()) {
    const int reason = errno;
    return operator_error("cannot open " + path.string() + ": " + std::strerror(reason),
                          reason == EACCES ? "The private cluster belongs to another user; use a "
                                             "directory of your own, or become that user."
                                           : "");
  }
  if (geteuid() == 0 && fchown(file.get(), owner.uid, owner.gid) != 0)
    return operator_error("cannot give " + path.string() + " to user " + owner.name + ": " +
                          std::strerror(errno));
  return file;
}

Result<void> lock(const File& file, int how) {
  while (flock(file.get(), how) != 0) {
    if (errno != EINTR)
      return operator_error(std::string("cannot lock the private cluster: ") +
                            std::strerror(errno));
  }
  return {};
}

}  // namespace

Result<ClusterLock> ClusterLock::open(const std::filesystem::path& dir, const OsUser& owner) {
  ClusterLock made;
  TRY(made.gate_, open_lock_file(dir / kGateFile, owner));
  TRY(made.users_, open_lock_file(dir / kUsersFile, owner));
  return made;
}

Result<void> ClusterLock::enter_gate() {
  return lock(gate_, LOCK_EX);
}

void ClusterLock::leave_gate() {
  flock(gate_.get(), LOCK_UN);
}

Result<void> ClusterLock::become_user() {
  TRY_VOID(lock(users_, LOCK_SH));
  holder_ = getpid();
  return {};
}

bool ClusterLock::is_last_user() {
  return flock(users_.get(), LOCK_EX | LOCK_NB) == 0;
}

bool ClusterLock::is_held() const {
  return users_.is_open() && holder_ == getpid();
}

void ClusterLock::release() {
  // Said outright, because a child that was forked meanwhile may still have the file open.
  flock(users_.get(), LOCK_UN);
  users_.close();
  gate_.close();
}

}  // namespace pgtally::pg
