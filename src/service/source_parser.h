// Reads [[source]] tables (source_settings.h); for settings.cc, which reads everything else.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <vector>

#include "pgtally/result.h"
#include "service/source_settings.h"

namespace pgtally {

// `node` is what stands under "source" in the file `path`. Refuses unknown members, values of another
// kind, and a name that comes twice; says in which line.
[[nodiscard]] Result<std::vector<SourceTable>> read_source_tables(const toml::node& node,
                                                                  const std::string& path);

}  // namespace pgtally
