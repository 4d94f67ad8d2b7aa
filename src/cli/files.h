// Files that the command line names.
#pragma once

#include <string>

#include "pgtally/result.h"

namespace pgtally::cli {

// The whole file; "-" is standard input. kOperator if it cannot be read; kReject if it has more
// than `limit` bytes, which for a plain file is found out before anything is read.
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t limit);

// Makes the file or replaces it, in one step: whoever reads it sees the old content or the new one,
// also after a crash. What is no plain file (a pipe, /dev/stdout) is written to.
[[nodiscard]] Result<void> write_file(const std::string& path, const std::string& content);

}  // namespace pgtally::cli
