// Adding a source that was planned, whatever its mode takes.
#pragma once

#include "cli/context.h"
#include "ledger/ledger.h"
#include "ledger/source_plan.h"
#include "pgtally/result.h"

namespace pgtally::cli {

// plan_source(), and what only a look at the stream of changes can tell of it.
[[nodiscard]] Result<SourcePlan> plan_completely(const Ledger& ledger,
                                                 const SourceRequest& request);

// Runs it. In mode logical that makes a replication slot and brings the table's rows in, with a
// progress bar.
[[nodiscard]] Result<void> add_planned(Context& context, const Ledger& ledger,
                                       const SourcePlan& plan);

// Prints the SQL of it; see add_script() for `before`.
[[nodiscard]] Result<void> print_planned(Context& context, const Ledger& ledger,
                                         const SourcePlan& plan, std::int32_t before = 0);

}  // namespace pgtally::cli
