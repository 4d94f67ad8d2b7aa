// pgtally source move: another address of a source's database.

#include "capture/source_move.h"

#include <fmt/format.h>

#include "cli/commands/source_move.h"
#include "cli/json.h"
#include "cli/ledger_session.h"

namespace pgtally::cli {
namespace {

class SourceMoveCommand : public Command {
 public:
  Description describe() const override {
    return {
        .name = "source move",
        .summary = "reach the database of a source in another way",
        .usage = "NAME --database URI",
        .details =
            "For a database that went to another host, or has another user or password. All "
            "sources of that database go with it. Looks first whether their tables are there. "
            "Nothing is recorded twice, and nothing is missed: each goes on from its place, or "
            "is compared with the log if the server is another one.",
        .examples = {{"pgtally source move trade --database postgresql://ledger@new.example/shop",
                      "And all other sources that were at the same place"}},
        .has_own_database = true};
  }
  void declare(Options& options) override {
    options.argument("NAME", name_, "a source of the database");
    options.option("--database", "URI", uri_,
                   "where the database is now; the ledger is named before the command, by "
                   "--embedded, the environment or the configuration");
    options.flag("--print-sql", print_sql_, "print the SQL and change nothing");
  }
  Result<Exit> run(Context& context) override {
    if (uri_.empty()) return reject("where is the database now?", "Give it with --database URI.");
    TRY(const Ledger ledger, open_ledger_beside(context, uri_));
    if (uri_.empty()) {
      return reject("--database names the source's database here, and nothing names the ledger's",
                    "Set PGTALLY_DATABASE, or write: pgtally --database LEDGER source move …");
    }
    TRY(const SourceInfo source, find_source(ledger, name_));
    TRY(const SourceMove move, plan_move(ledger, source, uri_));
    if (print_sql_) {
      TRY(const std::string script, move_script(ledger, move));
      print_script(context, script);
      return Exit::kOk;
    }
    TRY(const std::string left, move_sources(ledger, move));
    report(context, move, left);
    return Exit::kOk;
  }

 private:
  static void report(Context& context, const SourceMove& move, const std::string& left) {
    std::vector<std::string> names;
    for (const SourceInfo& source : move.sources) names.push_back(source.name);
    if (context.json()) {
      print_json(context.output(), {{"ok", true},
                                    {"sources", json_strings(names)},
                                    {"from", move.from},
                                    {"database", move.to.place},
                                    {"left", left.empty() ? json::value() : json::value(left)}});
      return;
    }
    context.output().line(
        fmt::format("moved    {} from {} to {}", fmt::join(names, ", "), move.from, move.to.place));
    if (!left.empty()) context.output().remark("note: " + left + ".");
  }

  std::string name_;
  std::string uri_;
  bool print_sql_ = false;
};

}  // namespace

std::unique_ptr<Command> source_move() {
  return std::make_unique<SourceMoveCommand>();
}

}  // namespace pgtally::cli
