#include "cli/add_planned.h"

#include <fmt/format.h>

#include "capture/logical.h"
#include "capture/modes.h"
#include "cli/ledger_session.h"
#include "cli/terminal/progress.h"
#include "ledger/registry.h"

namespace pgtally::cli {

Result<SourcePlan> plan_completely(const Ledger& ledger, const SourceRequest& request) {
  TRY(SourcePlan plan, plan_source(ledger, capture_modes(), request));
  TRY_VOID(complete_logical_plan(ledger, plan));
  return plan;
}

Result<void> add_planned(Context& context, const Ledger& ledger, const SourcePlan& plan) {
  Output& out = context.output();
  if (plan.definition.mode != "logical") {
    Patience patience;
    patience.waiting = [&](int attempt) {
      out.remark(fmt::format("{} is in use by a long transaction; trying again ({} of {})",
                             plan.definition.relation, attempt + 1, patience.attempts));
    };
    return pgtally::add_source(ledger, plan, patience);
  }
  Progress bar(out, "reading " + plan.definition.source);
  LogicalAdding adding;
  adding.remark = [&](const std::string& what) { out.remark(what); };
  adding.progress = [&](std::uint64_t done, std::uint64_t total) { bar.update(done, total); };
  TRY(const LogicalAdded added, add_logical_source(ledger, plan, adding));
  bar.clear();
  if (!added.unfinished.empty()) {
    out.remark("note: the source is added, and not all of its rows are read yet: " +
               added.unfinished + ". pgtally run goes on with them.");
  }
  return {};
}

Result<void> print_planned(Context& context, const Ledger& ledger, const SourcePlan& plan,
                           std::int32_t before) {
  // A source that is registered without its slot is read by nobody.
  TRY(const auto script, plan.definition.mode == "logical" ? logical_remarks(ledger, plan)
                                                           : add_script(ledger, plan, before));
  print_script(context, script);
  return {};
}

}  // namespace pgtally::cli
