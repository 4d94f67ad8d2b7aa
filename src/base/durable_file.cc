#include "base/durable_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/encoding.h"

namespace pgtally {
namespace {

Error failed(const std::string& what, const std::string& path) {
  return operator_error("cannot " + what + " " + path + ": " + std::strerror(errno),
                        "Check that the directory exists, has room and may be written to.");
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

bool write_all(int fd, const std::string& content) {
  std::size_t written = 0;
  while (written < content.size()) {
    const ssize_t n = ::write(fd, content.data() + written, content.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    written += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

Result<std::optional<std::string>> read_small_file(const std::string& path, std::size_t most) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::optional<std::string>{};
    return failed("open", path);
  }
  std::string content;
  std::array<char, 16384> piece{};
  while (content.size() <= most) {
    const ssize_t n = ::read(file.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("read", path);
    if (n == 0) break;
    content.append(piece.data(), static_cast<std::size_t>(n));
  }
  if (content.size() > most) {
    return operator_error(path + " is larger than the file that belongs there");
  }
  return std::optional(std::move(content));
}

Result<void> replace_file(const std::string& path, const std::string& content, unsigned mode) {
  const std::string beside = path + ".new";
  {
    const Descriptor file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (file.get() < 0) return failed("create", beside);
    if (!write_all(file.get(), content) || ::fsync(file.get()) != 0) return failed("write", beside);
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) return failed("replace", path);
  return sync_directory(std::filesystem::path(path).parent_path());
}

Result<void> sync_directory(const std::string& path) {
  const Descriptor directory(
      ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || ::fsync(directory.get()) != 0) {
    return failed("sync the directory", path);
  }
  return {};
}

std::string file_name_of(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  std::string name;
  for (const char c : text) {
    // A leading dot would hide the file.
    if (kPlain.find(c) != std::string_view::npos && !(name.empty() && c == '.')) {
      name += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      name += "%" + to_hex(ByteView(&byte, 1));
    }
  }
  return name;
}

Result<FileLock> FileLock::acquire(const std::string& path) {
  const std::string lock = path + ".lock";
  const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return failed("open", lock);
  while (::flock(fd, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    const Error error = failed("lock", lock);
    ::close(fd);
    return error;
  }
  return FileLock(fd);
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace pgtally
