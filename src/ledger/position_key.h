// The key of tables that have none (mode logical): each entry's key is its own source_position.
#pragma once

#include <string>
#include <vector>

#include "pgtally/definition.h"

namespace pgtally {

inline constexpr const char* kPositionKey = "source_position";

[[nodiscard]] inline bool has_position_key(const SourceDefinition& definition) {
  return definition.mode == "logical" && definition.key == std::vector<std::string>{kPositionKey};
}

}  // namespace pgtally
