// Where the programs of the PostgreSQL server are.
#pragma once

#include <filesystem>
#include <optional>

#include "pgtally/result.h"

namespace pgtally::pg {

// The directory with `postgres` and `initdb` of this major version, or of the newest one (14 or
// later) if none is asked for: /usr/lib/postgresql/*/bin first, then PATH. kOperator if there is
// none; the hint names the package.
[[nodiscard]] Result<std::filesystem::path> find_server_programs(std::optional<int> major);

}  // namespace pgtally::pg
