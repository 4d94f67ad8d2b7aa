// Small files that survive a crash whole: written beside, synced, renamed over, directory synced.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pgtally/result.h"

namespace pgtally {

// Nothing if there is no such file. kOperator for every other trouble, and above `most` bytes.
[[nodiscard]] Result<std::optional<std::string>> read_small_file(const std::string& path,
                                                                 std::size_t most = 65536);

// Content and name are on disk before it returns. `mode` is for a file that is new, less what umask
// takes away.
[[nodiscard]] Result<void> replace_file(const std::string& path, const std::string& content,
                                        unsigned mode = 0600);

// That the names which were made or changed in the directory are on disk.
[[nodiscard]] Result<void> sync_directory(const std::string& path);

// A name for a file that tells which text it belongs to: what is not [A-Za-z0-9._-], and a leading
// dot, is percent-encoded.
[[nodiscard]] std::string file_name_of(std::string_view text);

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
