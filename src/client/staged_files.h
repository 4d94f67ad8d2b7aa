// Many files that come into a directory together, each whole and durable.
//
// A file is written below `staging` first; commit() syncs all of them, renames each to its place, and
// syncs the directories that have got a new name. So whoever reads the directory at any moment, also
// after a crash, finds a file whole or not at all.
//
// Files are never changed: one that is there already has to have the same content, else it is
// kTampered, and stays as it is.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "pgtally/result.h"

namespace pgtally {

class StagedFiles {
 public:
  // `staging` is a directory on the same file system, for this object alone. What is in it is removed.
  [[nodiscard]] static Result<StagedFiles> open(std::string directory, std::string staging);
  StagedFiles(StagedFiles&& other) noexcept = default;
  StagedFiles& operator=(StagedFiles&&) = delete;
  ~StagedFiles();

  // `path` is relative. One file descriptor for each file until commit().
  [[nodiscard]] Result<void> add(const std::string& path, std::string_view content);

  // All that was added since the last commit is durable when it returns.
  [[nodiscard]] Result<void> commit();

  // How many files commit() has put in their places.
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  struct Staged {
    int descriptor = -1;
    std::string from;
    std::string to;
  };

  StagedFiles(std::string directory, std::string staging)
      : directory_(std::move(directory)), staging_(std::move(staging)) {}
  [[nodiscard]] Result<void> make_directories(const std::string& path);

  std::string directory_;
  std::string staging_;
  std::vector<Staged> staged_;
  std::set<std::string> to_sync_;  // directories
  std::uint64_t written_ = 0;
};

}  // namespace pgtally
