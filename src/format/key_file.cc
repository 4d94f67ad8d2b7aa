#include "format/key_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace pgtally {
namespace {

constexpr std::size_t kMaxKeyFileSize = 4096;

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

Error failed(const std::string& doing, const std::string& path, std::string hint = {}) {
  return operator_error("cannot " + doing + " " + path + ": " + std::strerror(errno),
                        std::move(hint));
}

Result<void> check_permissions(const File& file, const std::string& path) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return failed("look at key file", path);
  if (!S_ISREG(status.st_mode)) return operator_error("key file " + path + " is not a plain file");
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return operator_error(
        "key file " + path + " is open to others than its owner",
        "Close it with: chmod 600 " + path + "\nIf others may have read it, make a new key.");
  }
  return {};
}

Result<std::string> read_whole(const File& file, const std::string& path) {
  std::string text;
  std::array<char, 1024> chunk{};
  for (;;) {
    const ssize_t count = ::read(file.get(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("read key file", path);
    if (count == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(count));
    if (text.size() > kMaxKeyFileSize) return operator_error("key file " + path + " is too long");
  }
}

Result<void> write_whole(const File& file, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t count = ::write(file.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed("write key file", path);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  if (::fsync(file.get()) != 0) return failed("write key file", path);
  return {};
}

Result<void> sync_directory_of(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string name = parent.empty() ? "." : parent.string();
  const File directory(::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open() || ::fsync(directory.get()) != 0) return failed("write directory", name);
  return {};
}

}  // namespace

Result<SigningKey> read_key_file(const std::string& path) {
  // Not blocking, or a named pipe would hold us up before we see that it is no plain file.
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return failed("open key file", path);
  TRY_VOID(check_permissions(file, path));
  TRY(std::string text, read_whole(file, path));
  if (text.ends_with('\n')) text.pop_back();
  auto key = SigningKey::parse(text);
  if (key.ok()) return key;
  return operator_error("key file " + path + ": " + key.error().message,
                        "It should hold one line, PRIVATE+KEY+name+hash+base64, as it was when the "
                        "key was made. Restore it from your copy.");
}

Result<void> create_key_file(const std::string& path, const SigningKey& key) {
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!file.is_open()) {
    return failed(
        "create key file", path,
        errno == EEXIST ? "A key is never overwritten. Name another file, or use this one." : "");
  }
  TRY_VOID(write_whole(file, key.text() + "\n", path));
  return sync_directory_of(path);
}

}  // namespace pgtally
