#include "cli/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "cli/terminal/numbers.h"

namespace pgtally::cli {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ > STDERR_FILENO) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

Error failed(const std::string& doing, const std::string& path) {
  const int reason = errno;
  std::string hint;
  if (reason == ENOENT) hint = "Is the name right? It is looked for from the current directory.";
  return operator_error("cannot " + doing + " " + path + ": " + std::strerror(reason), hint);
}

Error too_large(const std::string& path, std::size_t limit) {
  return reject(path + " is larger than " + with_thousands(limit) +
                " bytes, the most that is read");
}

Result<std::string> read_all(int descriptor, const std::string& shown, std::size_t limit) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return failed("read", shown);
  if (S_ISDIR(status.st_mode)) return operator_error("cannot read " + shown + ": is a directory");
  if (S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) > limit) {
    return too_large(shown, limit);
  }
  std::string content;
  std::array<char, 65536> chunk{};
  for (;;) {
    const ssize_t count = ::read(descriptor, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("read", shown);
    if (count == 0) return content;
    content.append(chunk.data(), static_cast<std::size_t>(count));
    if (content.size() > limit) return too_large(shown, limit);
  }
}

Result<void> write_all(int descriptor, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t count = ::write(descriptor, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("write", path);
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  // Pipes and terminals have nothing to sync.
  if (::fsync(descriptor) != 0 && errno != EINVAL && errno != EROFS) return failed("write", path);
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  if (path == "-") return read_all(STDIN_FILENO, "standard input", limit);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return failed("read", path);
  return read_all(file.get(), path, limit);
}

Result<void> write_file(const std::string& path, const std::string& content) {
  struct stat status{};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (file.get() < 0) return failed("write", path);
    return write_all(file.get(), content, path);
  }
  constexpr mode_t kMode = 0666;  // less what umask takes away
  const std::string beside = path + ".new-" + std::to_string(::getpid());
  const Descriptor file(
      ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, kMode));
  if (file.get() < 0) return failed("write", path);
  auto written = write_all(file.get(), content, path);
  if (written.ok() && std::rename(beside.c_str(), path.c_str()) != 0) {
    written = failed("write", path);
  }
  if (!written.ok()) ::unlink(beside.c_str());
  return written;
}

}  // namespace pgtally::cli
