// pgtally apply: brings the registry to what the configuration file names, adding only.

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "cli/add_planned.h"
#include "cli/commands/list.h"
#include "cli/errors.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/table.h"
#include "cli/terminal/text.h"
#include "ledger/other_database.h"
#include "ledger/registered.h"
#include "ledger/registry.h"

namespace pgtally::cli {
namespace {

// What became of one source. `outcome` is "added", "would add", "as it is", "differs", "refused" or
// "not in the file".
struct Line {
  std::string name;
  std::string outcome;
  std::string says;                  // why this mode, or what is wrong
  std::string hint;                  // of what was refused, or has moved
  std::vector<std::string> details;  // differences, warnings
  std::string table;
  std::string mode;
};

class Apply : public Command {
 public:
  Description describe() const override {
    return {
        .name = "apply",
        .group = Group::kStart,
        .summary = "add the sources that the configuration file names",
        .usage = "[--dry-run] [--print-sql]",
        .details =
            "Reads the [[source]] tables of the file that --config names and adds those that are "
            "not there. A source that is there and differs is reported and left alone: what its "
            "hashes mean is in the log, and never changed silently. Nothing is ever removed. Goes "
            "on behind a source that is refused; run it again when the cause is gone.",
        .examples = {{"pgtally apply --config pgtally.toml --dry-run", "What it would do"},
                     {"pgtally apply --config pgtally.toml", "Do it, a line for each source"}}};
  }

  void declare(Options& options) override {
    options.flag("--dry-run", dry_run_, "say what would be done, and change nothing");
    options.flag("--print-sql", print_sql_, "print the SQL of what would be added");
  }

  Result<Exit> run(Context& context) override {
    if (!context.globals().config) {
      return reject("no configuration file is named",
                    "Name it with --config FILE or PGTALLY_CONFIG.");
    }
    const std::vector<SourceTable>& tables = context.globals().file.sources;
    if (tables.empty()) {
      return reject(*context.globals().config + " names no sources",
                    "Each begins with a line [[source]], followed by name, table and what else "
                    "`pgtally source add` takes.");
    }
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const auto registered, read_registered(ledger));
    for (const SourceTable& table : tables) {
      TRY_VOID(take(context, ledger, registered, table));
    }
    for (const RegisteredSource& source : registered) {
      const bool is_named = std::ranges::any_of(
          tables, [&](const SourceTable& table) { return table.request.name == source.name; });
      if (is_named || source.state == "removed") continue;
      add_line({.name = source.name,
                .outcome = "not in the file",
                .says = "left as it is",
                .hint = {},
                .details = {},
                .table = source.definition.relation,
                .mode = source.mode});
    }
    finish(context);
    return exit_;
  }

 private:
  // An error only where the ledger itself cannot be reached any more.
  Result<void> take(Context& context, const Ledger& ledger,
                    const std::vector<RegisteredSource>& registered, const SourceTable& table) {
    const auto known = std::ranges::find(registered, table.request.name, &RegisteredSource::name);
    Line line{.name = table.request.name,
              .outcome = {},
              .says = {},
              .hint = {},
              .details = {},
              .table = table.request.table,
              .mode = table.request.mode};
    if (known != registered.end() && known->state != "removed") {
      if (auto compared = compare(ledger, *known, table.request, line); !compared.ok()) {
        if (!ledger.connection().is_alive()) return compared;
        refuse(line, table, compared.error());
      }
    } else if (auto added = add(context, ledger, table.request, line); !added.ok()) {
      if (!ledger.connection().is_alive()) return added;
      refuse(line, table, added.error());
    }
    show(context, line);
    add_line(std::move(line));
    return {};
  }

  Result<void> add(Context& context, const Ledger& ledger, const SourceRequest& request,
                   Line& line) {
    TRY(const SourcePlan plan, plan_completely(ledger, request));
    line.table = plan.definition.relation;
    line.mode = plan.definition.mode;
    line.says = plan.why;
    if (!plan.key_why.empty() && !plan.definition.key.empty()) {
      line.says += fmt::format("; key {}, {}", fmt::join(plan.definition.key, ", "), plan.key_why);
    }
    if (!plan.not_covered.empty()) {
      line.details.push_back(fmt::format("not covered: {}", fmt::join(plan.not_covered, ", ")));
    }
    for (const std::string& warning : plan.warnings) {
      if (warning != kKeysArePublic) line.details.push_back("note: " + warning);
    }
    if (print_sql_) {
      TRY_VOID(print_planned(context, ledger, plan, printed_));
      ++printed_;
    } else if (!dry_run_) {
      TRY_VOID(add_planned(context, ledger, plan));
    }
    line.outcome = dry_run_ || print_sql_ ? "would add" : "added";
    return {};
  }

  Result<void> compare(const Ledger& ledger, const RegisteredSource& known, SourceRequest request,
                       Line& line) {
    line.mode = known.mode;
    line.table = known.definition.relation;
    std::string relation = request.table;
    if (!request.append) {
      std::optional<OtherDatabase> other;
      if (!request.database.empty()) {
        TRY(other, open_other_database(ledger, request.database));
      }
      request.database = other ? other->endpoint.conninfo : "";
      pg::Connection& there = other ? *other->connection : ledger.connection();
      // A table that is gone is what the file says it is called.
      if (const auto shape = describe_table(there, request.table); shape.ok()) {
        relation = shape->qualified;
      }
    }
    line.details = differences(known, request, relation);
    if (!known.database.empty() && !request.database.empty() &&
        !pg::leads_to(request.database, known.database)) {
      line.hint = "Where its database has moved: pgtally source move " + known.definition.source +
                  " --database URI";
    }
    line.outcome = line.details.empty() ? "as it is" : "differs";
    if (line.details.empty()) return {};
    line.says = "and is left as it is";
    worsen(Exit::kUsage);
    return {};
  }

  void refuse(Line& line, const SourceTable& table, const Error& error) {
    line.outcome = "refused";
    line.says = table.place + ": " + error.message;
    line.hint = error.hint;
    worsen(exit_of(error.code));
  }

  void worsen(Exit exit) { exit_ = std::max(exit_, exit); }

  void add_line(Line line) { lines_.push_back(std::move(line)); }

  // As it happens: forty tables may take a while.
  void show(Context& context, const Line& line) const {
    if (context.json() && !print_sql_) return;
    std::string text = pad_right(line.outcome, 9) + " " + line.name;
    if (!line.table.empty() && line.outcome != "refused") text += " from " + line.table;
    if (!line.mode.empty() && line.outcome != "refused") text += ", mode " + line.mode;
    if (!line.says.empty()) text += ": " + line.says;
    Stream& out = print_sql_ ? context.output().err() : context.output().out();
    out.line(printable(text));
    for (const std::string& detail : line.details) show_indented(out, detail);
    show_indented(out, line.hint);
  }

  static void show_indented(Stream& out, const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      out.line("  " + printable(text.substr(at, end - at)));
      at = end + 1;
    }
  }

  void finish(Context& context) const {
    if (!context.json() || print_sql_) {
      for (const Line& line : lines_) {
        if (line.outcome != "not in the file") continue;
        context.output().remark(line.name + " is not in the file; it is left as it is");
      }
      return;
    }
    json::array list;
    for (const Line& line : lines_) {
      list.push_back({{"name", line.name},
                      {"outcome", line.outcome},
                      {"table", line.table},
                      {"mode", line.mode},
                      {"says", line.says},
                      {"hint", line.hint},
                      {"details", json_strings(line.details)}});
    }
    print_json(context.output(), {{"ok", exit_ == Exit::kOk},
                                  {"dry_run", dry_run_ || print_sql_},
                                  {"sources", std::move(list)}});
  }

  bool dry_run_ = false;
  bool print_sql_ = false;
  std::int32_t printed_ = 0;  // scripts that were printed and not run
  std::vector<Line> lines_;
  Exit exit_ = Exit::kOk;
};

}  // namespace

void add_apply(Program& program) {
  program.add(std::make_unique<Apply>());
}

}  // namespace pgtally::cli
