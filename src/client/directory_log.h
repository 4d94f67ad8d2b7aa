// A log in a directory, in the layout that tlog-tiles serves.
//
// As on a server, a partial tile or bundle may be gone once the full one is there. What is missing is
// kTampered here: there is no cache that could be behind.
#pragma once

#include <optional>
#include <string>

#include "client/log_reader.h"

namespace pgtally {

class DirectoryLog : public PublishedLog {
 public:
  explicit DirectoryLog(std::string directory) : directory_(std::move(directory)) {}

  [[nodiscard]] Result<std::string> checkpoint() override;
  [[nodiscard]] Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids,
                                                             TreeSize size) override;
  [[nodiscard]] Result<std::vector<std::string>> bundles(std::uint64_t first, std::size_t count,
                                                         TreeSize size) override;
  [[nodiscard]] Result<std::string> document(const Hash& hash) override;

 private:
  [[nodiscard]] Result<std::string> read(const std::string& path, const std::string& full,
                                         std::size_t most) const;

  std::string directory_;
};

}  // namespace pgtally
