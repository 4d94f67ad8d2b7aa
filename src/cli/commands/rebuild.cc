// pgtally rebuild: the tree computed anew from the log.

#include "ledger/rebuild.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/progress.h"
#include "service/guard.h"
#include "service/state_files.h"

namespace pgtally::cli {
namespace {

class Rebuild : public Command {
 public:
  Description describe() const override {
    return {
        .name = "rebuild",
        .group = Group::kCheck,
        .summary = "compute the tree anew from the log, to compare or to mend it",
        .usage = "[--check]",
        .details =
            "With --check nothing is changed: entries, tiles, heads and checkpoints are "
            "compared, and what differs is named (exit 1). Without it, tiles that are missing "
            "or damaged are written anew, but only if the log still is what was signed.",
        .examples = {{"pgtally rebuild --check", "Does the tree fit the log and the signatures?"},
                     {"pgtally rebuild", "Mend tiles that a disk has damaged"}}};
  }
  void declare(Options& options) override {
    options.flag("--check", check_, "only compare");
    options.option("--state", "DIR", state_, kStateHelp);
  }
  Result<Exit> run(Context& context) override {
    TRY(const Ledger ledger, open_ledger(context));
    Progress bar(context.output(), check_ ? "checking" : "rebuilding");
    const RebuildProgress progress = [&](std::uint64_t done, std::uint64_t total) {
      bar.update(done, total);
    };
    TRY(RebuildReport report,
        check_ ? check_tree(ledger, progress) : rebuild_tree(ledger, progress));
    bar.clear();
    if (check_) TRY_VOID(hold_against_guard(context, ledger, report));
    const bool ok = report.findings.empty() || !check_;
    if (context.json()) {
      print_json(context.output(), {{"ok", ok},
                                    {"size", report.size.value},
                                    {"root", to_base64(report.root.view())},
                                    {"tiles", report.tiles},
                                    {"repaired", report.repaired},
                                    {"findings", json_strings(report.findings)}});
      return ok ? Exit::kOk : Exit::kNo;
    }
    Output& out = context.output();
    for (const std::string& finding : report.findings) out.line("  " + finding);
    if (!check_) {
      out.line(fmt::format(
          "rebuilt  {}, root {}: {} written anew", counted(report.size.value, "entry", "entries"),
          to_base64(report.root.view()), counted(report.repaired, "tile", "tiles")));
    } else if (ok) {
      out.line(fmt::format("checked  {} and {}: all as recorded and signed, root {}",
                           counted(report.size.value, "entry", "entries"),
                           counted(report.tiles, "tile", "tiles"), to_base64(report.root.view())));
    } else {
      out.line(fmt::format("checked  {}: {}", counted(report.size.value, "entry", "entries"),
                           counted(report.findings.size(), "thing differs", "things differ")));
    }
    return ok ? Exit::kOk : Exit::kNo;
  }

 private:
  // The guard, where this host has it, is the one witness that the database cannot have changed.
  Result<void> hold_against_guard(Context& context, const Ledger& ledger,
                                  RebuildReport& report) const {
    TRY(const auto directory, state_directory_of(context, state_));
    const Guard guard(StateFiles::of(directory, ledger.origin()).guard);
    if (!guard.exists()) return {};
    TRY(const GuardState state, guard.read());
    if (state.size > report.size) {
      report.findings.push_back(
          fmt::format("the guard holds a head of {} entries, the database has {}", state.size.value,
                      report.size.value));
    } else if (state.size == report.size && state.root != report.root) {
      report.findings.push_back(
          fmt::format("the guard holds another root for {} entries", state.size.value));
    }
    return {};
  }

  bool check_ = false;
  std::string state_;
};

}  // namespace

void add_rebuild(Program& program) {
  program.add(std::make_unique<Rebuild>());
}

}  // namespace pgtally::cli
