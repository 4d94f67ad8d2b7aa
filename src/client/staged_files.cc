#include "client/staged_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/durable_file.h"

namespace pgtally {
namespace {

namespace fs = std::filesystem;

// Less what umask takes away: a web server that runs as another user has to read them.
constexpr mode_t kFileMode = 0666;
constexpr mode_t kDirectoryMode = 0777;

Error failed(const std::string& what, const std::string& path) {
  return operator_error("cannot " + what + " " + path + ": " + std::strerror(errno),
                        "Check that there is room, and that it may be written to.");
}

bool write_all(int descriptor, std::string_view content) {
  while (!content.empty()) {
    const ssize_t count = ::write(descriptor, content.data(), content.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

Result<StagedFiles> StagedFiles::open(std::string directory, std::string staging) {
  std::error_code error;
  fs::remove_all(staging, error);
  if (!error) fs::create_directories(staging, error);
  if (error) {
    return operator_error("cannot make " + staging + ": " + error.message(),
                          "Name a directory that may be written to.");
  }
  return StagedFiles(std::move(directory), std::move(staging));
}

StagedFiles::~StagedFiles() {
  for (const Staged& file : staged_) {
    ::close(file.descriptor);
    ::unlink(file.from.c_str());
  }
}

Result<void> StagedFiles::add(const std::string& path, std::string_view content) {
  const std::string to = directory_ + "/" + path;
  TRY(const auto there, read_small_file(to, content.size()));
  if (there) {
    if (*there != content) {
      return tampered(to + " holds something else than this log has there",
                      "It was damaged, or it is another history. Nothing was overwritten. Publish "
                      "into an empty directory, and compare.");
    }
    // Perhaps a crash came before its name was on disk.
    to_sync_.insert(fs::path(to).parent_path());
    return {};
  }
  const std::string from = staging_ + "/" + std::to_string(staged_.size());
  const int descriptor = ::open(from.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode);
  if (descriptor < 0) return failed("create", from);
  staged_.push_back({descriptor, from, to});
  return write_all(descriptor, content) ? Result<void>() : failed("write", from);
}

Result<void> StagedFiles::make_directories(const std::string& path) {
  if (::mkdir(path.c_str(), kDirectoryMode) == 0) {
    to_sync_.insert(fs::path(path).parent_path());
    return {};
  }
  if (errno == EEXIST) return {};
  if (errno != ENOENT) return failed("make", path);
  TRY_VOID(make_directories(fs::path(path).parent_path()));
  return make_directories(path);
}

Result<void> StagedFiles::commit() {
  for (const Staged& file : staged_) {
    if (::fsync(file.descriptor) != 0) return failed("write", file.from);
  }
  while (!staged_.empty()) {
    const Staged& file = staged_.back();
    const std::string parent = fs::path(file.to).parent_path();
    TRY_VOID(make_directories(parent));
    if (std::rename(file.from.c_str(), file.to.c_str()) != 0) return failed("make", file.to);
    to_sync_.insert(parent);
    ::close(file.descriptor);
    staged_.pop_back();
    ++written_;
  }
  for (const std::string& directory : to_sync_) TRY_VOID(sync_directory(directory));
  to_sync_.clear();
  return {};
}

}  // namespace pgtally
