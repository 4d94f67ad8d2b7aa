// Whether the triggers of a source in mode trigger are as they were made.
#pragma once

#include <string>
#include <vector>

#include "ledger/catalog.h"
#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

// What keeps them from seeing every row; empty if they do. A source that is paused has them disabled.
[[nodiscard]] Result<std::vector<std::string>> check_triggers(const Ledger& ledger,
                                                              std::int32_t source_id, bool paused,
                                                              const TableShape& shape);

}  // namespace pgtally
