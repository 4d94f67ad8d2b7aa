// DIR/server.log: what initdb and the server of a private cluster write, and what errors quote.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "pgtally/result.h"
#include "postgres/subprocess.h"

namespace pgtally::pg {

class ServerLog {
 public:
  static constexpr const char* kName = "server.log";

  // Opens it for appending. One that has grown above 8 MiB becomes server.log.old first.
  [[nodiscard]] static Result<ServerLog> open(const std::filesystem::path& dir,
                                              const OsUser& owner);

  [[nodiscard]] int descriptor() const { return file_.get(); }

  // These look only at what was written since open(), and at no more than its last 16 KiB.
  [[nodiscard]] bool contains(std::string_view text) const;
  [[nodiscard]] std::string last_error() const;    // without its time stamp
  [[nodiscard]] std::string tail_as_hint() const;  // the last lines, under a heading

 private:
  [[nodiscard]] std::string written_since_open() const;

  std::filesystem::path path_;
  File file_;
  off_t start_ = 0;
};

}  // namespace pgtally::pg
