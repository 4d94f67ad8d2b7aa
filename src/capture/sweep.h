// sweep_N, which all modes have: scans the keys of a table in order and stages the rows that are
// neither in the log nor on their way into it. Called by sweep_step() in sql/functions/sweep.sql.
#pragma once

#include <string>

#include "ledger/source_text.h"

namespace pgtally {

// `position` is the source_position of a row w. `own` is the condition for a row w that no feed will
// ever take; `progress`, `r` (the current round) and the pieces of SourceText can be used in it. With
// `changes`, updates and deletes of the same rows may be on their way to staging at the same time.
[[nodiscard]] std::string sweep_function(const SourceText& p, const std::string& position,
                                         const std::string& own, bool changes = false);

}  // namespace pgtally
