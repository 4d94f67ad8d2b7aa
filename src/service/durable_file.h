// Small files that survive a crash whole: written beside, synced, renamed over, directory synced.
#pragma once

#include <optional>
#include <string>

#include "pgtally/result.h"

namespace pgtally {

// Nothing if there is no such file. kOperator for every other trouble, and above `most` bytes.
[[nodiscard]] Result<std::optional<std::string>> read_small_file(const std::string& path,
                                                                 std::size_t most = 65536);

// Content and name are on disk before it returns.
[[nodiscard]] Result<void> replace_file(const std::string& path, const std::string& content);

// An exclusive lock on a file beside `path`, held until destruction and gone with the process.
class FileLock {
 public:
  [[nodiscard]] static Result<FileLock> acquire(const std::string& path);
  FileLock(FileLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace pgtally
