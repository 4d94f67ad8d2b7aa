// pgtally prune: drops what the log has, from staging or from a source's own table.

#include "ledger/prune.h"

#include <fmt/format.h>

#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/progress.h"
#include "cli/terminal/text.h"
#include "ledger/prune_source.h"

namespace pgtally::cli {
namespace {

class Prune : public Command {
 public:
  Description describe() const override {
    return {
        .name = "prune",
        .group = Group::kRecord,
        .summary = "drop rows that a signed checkpoint covers, from staging or from a table",
        .usage = "[--source S --before KEY [--execute]]",
        .details =
            "Without options: from append_only_log, where rows wait until they are in the log. "
            "Data that was appended to a source with --keep-data stays in the log; of others "
            "only its hash does. With --source: compares every row of the source's table whose "
            "key comes before KEY with the log, by key and content. If all are there, under a "
            "signed checkpoint, it prints the SQL that deletes them, or does it with --execute.",
        .examples = {{"pgtally prune", "Staging, as far as the newest checkpoint goes"},
                     {"pgtally prune --source payment --before 20000 > delete.sql",
                      "Check, and print the DELETEs for somebody to look at"},
                     {"pgtally prune --source payment --before 20000 --execute",
                      "Check and delete, each batch compared again under lock"}}};
  }
  void declare(Options& options) override {
    options.option("--source", "SOURCE", request_.source, "prune this source's own table");
    options.options("--before", "KEY", request_.before,
                    "rows with a key before this one: a value, or column=value, for each column");
    options.flag("--execute", request_.execute, "delete the rows; else the SQL is printed");
  }
  Result<Exit> run(Context& context) override {
    if (request_.source.empty() && (!request_.before.empty() || request_.execute)) {
      return reject("--before and --execute go with --source",
                    "For example: pgtally prune --source payment --before 20000");
    }
    if (!request_.source.empty() && request_.before.empty()) {
      return reject("which rows? --before KEY is needed",
                    "For example: pgtally prune --source payment --before 20000");
    }
    TRY(const Ledger ledger, open_ledger(context));
    return request_.source.empty() ? prune_all_staging(context, ledger)
                                   : prune_table(context, ledger);
  }

 private:
  static Result<Exit> prune_all_staging(Context& context, const Ledger& ledger) {
    constexpr std::int32_t kRows = 10'000;
    TRY(const StoredCheckpoint checkpoint, covering_checkpoint(ledger));
    TRY(const auto unkept, sources_without_kept_data(ledger));
    TRY(const auto total, estimate_staged(ledger));
    Progress progress(context.output(), "pruning", total);
    std::uint64_t gone = 0;
    while (true) {
      TRY(const auto rows, prune_staging(ledger, kRows));
      gone += rows;
      progress.update(gone);
      if (rows < kRows) break;
    }
    progress.clear();
    if (context.json()) {
      print_json(context.output(), {{"ok", true},
                                    {"pruned", gone},
                                    {"covered", checkpoint.size.value},
                                    {"data_not_kept", json_strings(unkept)}});
      return Exit::kOk;
    }
    context.output().line(fmt::format("pruned   {} from staging, under the checkpoint of size {}",
                                      counted(gone, "row", "rows"),
                                      with_thousands(checkpoint.size.value)));
    if (!unkept.empty()) {
      context.output().remark(fmt::format(
          "note: appended data is not kept in the log for {}; their proofs need it from whoever "
          "has it",
          fmt::join(unkept, ", ")));
    }
    return Exit::kOk;
  }

  Result<Exit> prune_table(Context& context, const Ledger& ledger) const {
    Progress progress(context.output(), request_.execute ? "comparing and deleting" : "comparing");
    TRY(const PruneSourceReport report,
        prune_source(ledger, request_, [&](std::uint64_t done) { progress.update(done); }));
    progress.clear();
    const bool ok = report.refused == 0;
    if (context.json()) {
      print_json(context.output(), {{"ok", ok},
                                    {"source", request_.source},
                                    {"rows", report.rows},
                                    {"refused", report.refused},
                                    {"findings", json_strings(report.why)},
                                    {"deleted", report.deleted},
                                    {"covered", report.covered.value},
                                    {"sql", request_.execute ? "" : report.sql},
                                    {"notes", json_strings(report.notes)}});
      return ok ? Exit::kOk : Exit::kNo;
    }
    Output& out = context.output();
    if (!ok) {
      for (const std::string& why : report.why) out.line("  " + printable(why));
      out.line(fmt::format("refused  {} of {} not in the log as they are in the table{}",
                           with_thousands(report.refused), counted(report.rows, "row", "rows"),
                           report.deleted > 0 ? fmt::format("; {} deleted before that was found",
                                                            with_thousands(report.deleted))
                                              : ", so nothing was deleted"));
      return Exit::kNo;
    }
    if (request_.execute) {
      out.line(fmt::format("deleted  {} of {}, all under the checkpoint of size {}",
                           counted(report.deleted, "row", "rows"), request_.source,
                           with_thousands(report.covered.value)));
    } else {
      out.write(fmt::format(
          "-- {} of source {} were compared with the log: all are in it as they are in the table,\n"
          "-- under the checkpoint of size {}. What is written with such a key later stays; what "
          "is\n"
          "-- changed before this runs is not noticed here. pgtally prune --execute compares "
          "again.\n"
          "{}",
          counted(report.rows, "row", "rows"), request_.source,
          with_thousands(report.covered.value), report.sql));
    }
    for (const std::string& note : report.notes) out.remark("note: " + note);
    return Exit::kOk;
  }

  PruneSourceRequest request_;
};

}  // namespace

void add_prune(Program& program) {
  program.add(std::make_unique<Prune>());
}

}  // namespace pgtally::cli
