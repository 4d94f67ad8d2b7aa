// pgtally sweep: a pass over a source's whole table.

#include <fmt/format.h>

#include <algorithm>

#include "capture/logical.h"
#include "capture/remote_sweep.h"
#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/progress.h"
#include "ledger/registry.h"
#include "ledger/sweeper.h"

namespace pgtally::cli {
namespace {

class Sweep : public Command {
 public:
  Description describe() const override {
    return {.name = "sweep",
            .group = Group::kRecord,
            .summary = "look through whole tables for rows that are not recorded",
            .usage = "[SOURCE…]",
            .details =
                "Capture finds new rows where they are expected. A sweep compares every key of a "
                "table with the log and finds the others: keys that were handed out long before "
                "they were used, and tables whose key is no integer. What it finds is recorded "
                "by the next run. It works in small steps beside everything else, and one that "
                "was interrupted goes on where it was.",
            .examples = {
                {"pgtally sweep", "All sources that can be swept"},
                {"pgtally sweep payment && pgtally run --once", "One, and record what it finds"}}};
  }
  void declare(Options& options) override {
    options.optional_arguments("SOURCE", names_, "these sources; else all");
  }
  Result<Exit> run(Context& context) override {
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const auto targets, chosen(ledger));
    json::array list;
    for (const SweepTarget& target : targets) {
      TRY(const SweepProgress swept, sweep(context, ledger, target));
      list.push_back({{"source", target.name}, {"scanned", swept.scanned}, {"found", swept.found}});
      if (context.json()) continue;
      context.output().line(fmt::format("swept    {}: {} looked at, {} found", target.name,
                                        counted(swept.scanned, "row", "rows"),
                                        with_thousands(swept.found)));
    }
    TRY(const auto streamed, streamed_sources(ledger));
    for (const SourceInfo& source : streamed) {
      TRY_VOID(request_comparison(ledger, source.id));
      list.push_back({{"source", source.name}, {"requested", true}});
      if (context.json()) continue;
      context.output().line("asked    " + source.name +
                            ": pgtally run compares it with its table, at one point of its stream");
    }
    if (context.json()) print_json(context.output(), {{"ok", true}, {"swept", list}});
    return Exit::kOk;
  }

 private:
  Result<std::vector<SweepTarget>> chosen(const Ledger& ledger) const {
    TRY(auto targets, sweep_targets(ledger));
    TRY(const auto remote, remote_sweep_targets(ledger));
    targets.insert(targets.end(), remote.begin(), remote.end());
    if (names_.empty()) return targets;
    std::vector<SweepTarget> out;
    for (const std::string& name : names_) {
      TRY(const SourceInfo source, find_source(ledger, name));
      if (is_streamed(source)) continue;
      const auto it = std::find_if(targets.begin(), targets.end(),
                                   [&](const SweepTarget& t) { return t.source_id == source.id; });
      if (it == targets.end()) {
        return reject(fmt::format("source {} has no table that could be swept now (mode {}, {})",
                                  name, source.mode, source.state));
      }
      out.push_back(*it);
    }
    return out;
  }

  // Their stream knows of every change, so a sweep of theirs is only for checking it. It needs a
  // snapshot at one point of the stream, which only the stream's reader can take.
  static bool is_streamed(const SourceInfo& source) {
    return source.mode == "logical" && source.state != "paused" && source.state != "removed";
  }
  Result<std::vector<SourceInfo>> streamed_sources(const Ledger& ledger) const {
    TRY(const auto all, list_sources(ledger));
    std::vector<SourceInfo> out;
    for (const SourceInfo& source : all) {
      const bool is_meant =
          names_.empty() || std::find(names_.begin(), names_.end(), source.name) != names_.end();
      if (is_streamed(source) && is_meant) out.push_back(source);
    }
    return out;
  }

  static Result<SweepProgress> sweep(Context& context, const Ledger& ledger,
                                     const SweepTarget& target) {
    Progress progress(context.output(), "sweeping " + target.name);
    SweepProgress sum;
    std::optional<RemoteTable> table;
    if (target.remote) {
      TRY(const auto sources, remote_sources(ledger, target.source_id));
      if (sources.empty()) return reject("source " + target.name + " was removed");
      TRY(table, RemoteTable::connect(sources.front()));
    }
    while (!sum.done) {
      auto window =
          table ? sweep_remote_window(ledger, *table) : sweep_window(ledger, target.source_id);
      if (!window.ok()) return std::move(window).error().within("sweeping " + target.name);
      sum.done = window->done;
      sum.scanned += window->scanned;
      sum.found += window->found;
      progress.update(sum.scanned);
    }
    return sum;
  }

  std::vector<std::string> names_;
};

}  // namespace

void add_sweep(Program& program) {
  program.add(std::make_unique<Sweep>());
}

}  // namespace pgtally::cli
