// pgtally upgrade: a ledger of an earlier schema version becomes one of this program's.

#include "ledger/upgrade.h"

#include <fmt/format.h>

#include "capture/modes.h"
#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"

namespace pgtally::cli {
namespace {

class Upgrade : public Command {
 public:
  Description describe() const override {
    return {
        .name = "upgrade",
        .group = Group::kStart,
        .summary = "bring a ledger's schema up to what this program needs",
        .usage = "[--print-sql]",
        .details =
            "Tables are extended and functions replaced, in one transaction. Nothing that was "
            "recorded changes. Services of the version before go on meanwhile and afterwards, so "
            "they can be replaced one by one: first the schema, then the programs.",
        .examples = {{"pgtally upgrade", "As the ledger's owner"},
                     {"pgtally upgrade --print-sql", "For a DBA to look at and to run"}}};
  }
  void declare(Options& options) override {
    options.flag("--print-sql", print_sql_, "print the SQL and change nothing");
  }
  Result<Exit> run(Context& context) override {
    TRY(pg::Connection * connection, context.database().connect());
    TRY(const Ledger ledger, Ledger::open_older(*connection, context.globals().schema));
    if (print_sql_) {
      TRY(const UpgradePlan plan, plan_upgrade(ledger, capture_modes()));
      print_script(context, plan.script);
      return Exit::kOk;
    }
    TRY(const UpgradePlan done, upgrade_ledger(ledger, capture_modes()));
    if (context.json()) {
      print_json(context.output(), {{"ok", true},
                                    {"from", done.from},
                                    {"to", kSchemaVersion},
                                    {"migrations", json_strings(done.migrations)},
                                    {"sources", json_strings(done.sources)},
                                    {"left_as_is", json_strings(done.left_as_is)}});
      return Exit::kOk;
    }
    Output& out = context.output();
    if (done.migrations.empty()) {
      out.line(fmt::format("upgraded  schema version {} as before, functions written anew",
                           kSchemaVersion));
    } else {
      out.line(fmt::format("upgraded  from schema version {} to {}: {}", done.from, kSchemaVersion,
                           fmt::join(done.migrations, ", ")));
    }
    if (!done.sources.empty()) {
      out.line("  capture written anew for " + counted(done.sources.size(), "source", "sources"));
    }
    for (const std::string& source : done.left_as_is) out.line("  left as it was: " + source);
    return Exit::kOk;
  }

 private:
  bool print_sql_ = false;
};

}  // namespace

void add_upgrade(Program& program) {
  program.add(std::make_unique<Upgrade>());
}

}  // namespace pgtally::cli
