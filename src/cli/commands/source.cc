// pgtally source: the registry of sources.

#include <fmt/format.h>

#include "base/encoding.h"
#include "capture/logical.h"
#include "cli/add_planned.h"
#include "cli/commands/list.h"
#include "cli/commands/source_move.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/source_view.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/table.h"
#include "ledger/registry.h"
#include "ledger/source_check.h"

namespace pgtally::cli {
namespace {

// "a,b" and "a" "b" name the same columns; a column with a comma in its name is given alone.
std::vector<std::string> split_columns(const std::vector<std::string>& arguments) {
  std::vector<std::string> columns;
  for (const std::string& argument : arguments) {
    std::size_t at = 0;
    while (true) {
      const std::size_t comma = argument.find(',', at);
      columns.push_back(argument.substr(at, comma - at));
      if (comma == std::string::npos) break;
      at = comma + 1;
    }
  }
  return columns;
}

class SourceAdd : public Command {
 public:
  Description describe() const override {
    return {
        .name = "source add",
        .summary = "make a table a source of the ledger",
        .usage = "NAME --table T [--key COL[,COL]] [--mode M] [--time COL] …",
        .details =
            "From now on its rows enter the log, those that are there already included. The "
            "table is not changed. Keys, positions and names are public for ever: no "
            "personal data belongs in them. Contents are published as blinded hashes, "
            "unless --no-blind says otherwise.",
        .examples = {{"pgtally source add payment --table public.payment --key id",
                      "Every column covered, found by its key"},
                     {"pgtally source add line --table '\"Order Lines\"' --key order_id,number "
                      "--time booked_at",
                      "A key of two columns, and the time that rows claim"},
                     {"pgtally source add doc --table doc --key id --hash-column sha256 --no-blind",
                      "Only a hash that the application keeps"},
                     {"pgtally source add trade --table trade --key id --database "
                      "postgresql://ledger@shop.example/shop",
                      "A table of another database, read over the wire"},
                     {"pgtally source add events --append",
                      "No table: rows are appended with pgtally append"}},
        .has_own_database = true};
  }

  void declare(Options& options) override {
    options.argument("NAME", request_.name, "the source's name, unique in the ledger for ever");
    options.option("--table", "TABLE", request_.table, "the table, as SQL writes its name");
    options.options("--key", "COLUMN", key_,
                    "the columns that name a row, which have a unique index; else the table's own "
                    "key");
    options.option(
        "--database", "URI", request_.database,
        "the table's database, if it is not the ledger's; the ledger is then named before "
        "the command, by --embedded, the environment or the configuration");
    options.option("--mode", "MODE", request_.mode, "how new rows are found; else it is chosen");
    options.option("--time", "COLUMN", request_.time, "the time that a row claims");
    options.option("--hash-column", "COLUMN", request_.hash_column,
                   "record this hash (bytea, 32 bytes) instead of hashing the row");
    options.options("--columns", "COLUMN", columns_, "cover only these columns");
    options.options("--exclude", "COLUMN", exclude_, "cover all columns but these");
    options.flag("--track-changes", request_.track_changes,
                 "record updates, deletes and truncates, too (modes trigger and logical)");
    options.option("--existing", "record|skip", existing_,
                   "what to do with the rows that are there already; record is the default");
    options.flag("--no-blind", no_blind_, "publish the content hashes as they are");
    options.flag("--append", request_.append, "rows are appended to the ledger itself");
    options.option("--writer", "ROLE", request_.writer,
                   "with --append: members of this role may insert");
    options.flag("--keep-data", request_.keep_data, "with --append: keep the data in the log too");
    options.flag("--print-sql", print_sql_, "print the SQL and change nothing");
  }

  Result<Exit> run(Context& context) override {
    request_.key = split_columns(key_);
    request_.columns = split_columns(columns_);
    request_.exclude = split_columns(exclude_);
    request_.blind = !no_blind_;
    if (existing_ != "record" && existing_ != "skip") {
      return reject("--existing is record or skip, not " + pgtally::quoted(existing_));
    }
    request_.skip_existing = existing_ == "skip";
    TRY(const Ledger ledger, open_ledger_beside(context, request_.database));
    TRY(const SourcePlan plan, plan_completely(ledger, request_));
    if (print_sql_) {
      TRY_VOID(print_planned(context, ledger, plan));
      return Exit::kOk;
    }
    TRY_VOID(add_planned(context, ledger, plan));
    report(context, plan);
    return Exit::kOk;
  }

 private:
  void report(Context& context, const SourcePlan& plan) const {
    if (context.json()) {
      print_json(context.output(), {{"ok", true},
                                    {"name", request_.name},
                                    {"mode", plan.definition.mode},
                                    {"why", plan.why},
                                    {"key", json_strings(plan.definition.key)},
                                    {"key_why", plan.key_why},
                                    {"track_changes", plan.track_changes},
                                    {"database", plan.endpoint ? json::value(plan.endpoint->place)
                                                               : json::value(nullptr)},
                                    {"blind", plan.definition.blind},
                                    {"not_covered", json_strings(plan.not_covered)},
                                    {"warnings", json_strings(plan.warnings)}});
      return;
    }
    Output& out = context.output();
    const std::string where = plan.endpoint ? " at " + plan.endpoint->place : "";
    out.line(fmt::format("added    {} from {}{}, mode {}: {}", request_.name,
                         plan.definition.relation, where, plan.definition.mode, plan.why));
    if (!plan.key_why.empty()) {
      out.line(fmt::format("  key: {}: {}",
                           plan.definition.key.empty()
                               ? "none"
                               : fmt::format("{}", fmt::join(plan.definition.key, ", ")),
                           plan.key_why));
    }
    if (!plan.not_covered.empty()) {
      out.line(fmt::format("  not covered: {}", fmt::join(plan.not_covered, ", ")));
    }
    for (const std::string& warning : plan.warnings) out.remark("note: " + warning);
    out.remark("Next: pgtally run --once");
  }

  SourceRequest request_;
  std::vector<std::string> key_;
  std::vector<std::string> columns_;
  std::vector<std::string> exclude_;
  std::string existing_ = "record";
  bool no_blind_ = false;
  bool print_sql_ = false;
};

class SourceList : public Command {
 public:
  Description describe() const override {
    return {.name = "source list",
            .summary = "show the sources",
            .examples = {{"pgtally source list", "Sources, modes and entries"},
                         {"pgtally source list --all", "Removed ones, too"}}};
  }
  void declare(Options& options) override { options.flag("--all", all_, "removed sources, too"); }
  Result<Exit> run(Context& context) override {
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const auto sources, list_sources_with_lag(ledger, all_));
    json::array list;
    Table table({{"source"},
                 {"mode"},
                 {"state"},
                 {"entries", Align::kRight},
                 {"waiting", Align::kRight},
                 {"behind", Align::kRight},
                 {"blind"},
                 {"table"}});
    for (const SourceStatus& source : sources) {
      const SourceInfo& info = source.info;
      TRY(const SourceDefinition definition, read_definition(ledger, info.id));
      json::object object = json_source_in_full(source);
      object["blind"] = info.blind;
      object["table"] = definition.relation;
      object["database"] = info.place ? json::value(*info.place) : json::value(nullptr);
      object["key"] = json_strings(definition.key);
      object["definition"] = info.definition;
      object["last_sweep"] = info.last_sweep ? json_time(*info.last_sweep) : json::value(nullptr);
      list.push_back(std::move(object));
      table.add({info.name, info.mode, info.state, with_thousands(info.entries), waiting(source),
                 behind(source), info.blind ? "yes" : "no",
                 definition.relation + (info.place ? " at " + *info.place : "")});
    }
    if (context.json()) {
      print_json(context.output(), {{"sources", list}});
    } else {
      context.output().write(table.text());
      show_failures(context.output(), sources);
    }
    return Exit::kOk;
  }

 private:
  bool all_ = false;
};

class SourceCheck : public Command {
 public:
  Description describe() const override {
    return {.name = "source check",
            .summary = "compare sources with their tables as they are now",
            .details =
                "Says what stands in the way of recording: a table that was dropped, a column "
                "of another type, a key that is not unique any more, a right that is missing.",
            .examples = {{"pgtally source check", "All sources"},
                         {"pgtally source check payment", "One of them"}}};
  }
  void declare(Options& options) override {
    options.optional_arguments("NAME", names_, "these sources; else all");
  }
  Result<Exit> run(Context& context) override {
    TRY(const Ledger ledger, open_ledger(context));
    std::vector<SourceInfo> sources;
    for (const std::string& name : names_) {
      TRY(sources.emplace_back(), find_source(ledger, name));
    }
    if (names_.empty()) {
      TRY(sources, list_sources(ledger));
    }
    json::array list;
    bool all_well = true;
    for (const SourceInfo& source : sources) {
      TRY(auto problems, check_source(ledger, source));
      if (source.mode == "logical") {
        TRY(const auto more, check_logical_source(ledger, source.id));
        problems.insert(problems.end(), more.begin(), more.end());
      }
      all_well = all_well && problems.empty();
      list.push_back({{"name", source.name}, {"problems", json_strings(problems)}});
      if (context.json()) continue;
      context.output().line(source.name + (problems.empty() ? "  as it should be" : ""));
      for (const std::string& problem : problems) context.output().line("  " + problem);
    }
    if (context.json()) print_json(context.output(), {{"ok", all_well}, {"sources", list}});
    return all_well ? Exit::kOk : Exit::kEnvironment;
  }

 private:
  std::vector<std::string> names_;
};

// pause, resume and remove: one name, one script.
class SourceChange : public Command {
 public:
  enum class Change { kPause, kResume, kRemove };
  explicit SourceChange(Change change) : change_(change) {}

  Description describe() const override {
    switch (change_) {
      case Change::kPause:
        return {
            .name = "source pause",
            .summary = "stop taking rows from a source for now",
            .examples = {{"pgtally source pause payment", "Until pgtally source resume payment"}}};
      case Change::kResume:
        return {.name = "source resume",
                .summary = "take rows from a paused source again",
                .examples = {{"pgtally source resume payment", "From where it was paused"}}};
      case Change::kRemove:
        break;
    }
    return {.name = "source remove",
            .summary = "take no more rows from a source, for good",
            .details =
                "What is recorded stays recorded and can be proved. The name is never used "
                "again; the table is not touched.",
            .examples = {{"pgtally source remove payment", "Its entries stay in the log"}}};
  }
  void declare(Options& options) override {
    options.argument("NAME", name_, "the source");
    options.flag("--print-sql", print_sql_, "print the SQL and change nothing");
  }
  Result<Exit> run(Context& context) override {
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const SourceInfo source, find_source(ledger, name_));
    if (source.id <= 1) return reject("source " + name_ + " belongs to the ledger itself");
    if (source.state == "removed") return reject("source " + name_ + " was removed before");
    const std::string script = change_ == Change::kRemove
                                   ? remove_script(ledger, source)
                                   : pause_script(ledger, source, change_ == Change::kPause);
    if (print_sql_) {
      print_script(context, script);
      return Exit::kOk;
    }
    TRY_VOID(run_script(ledger, script));
    if (source.mode == "logical" && change_ == Change::kRemove) {
      if (auto tidied = tidy_streams(ledger); !tidied.ok()) {
        context.output().remark(
            "note: what the source had in its database is not taken away yet: " +
            tidied.error().message + ". pgtally run does it.");
      }
    }
    const std::string done = change_ == Change::kPause    ? "paused"
                             : change_ == Change::kResume ? "resumed"
                                                          : "removed";
    if (context.json()) {
      print_json(context.output(), {{"ok", true}, {"name", name_}, {"state", done}});
    } else {
      context.output().line(done + "   " + name_);
    }
    return Exit::kOk;
  }

 private:
  Change change_;
  std::string name_;
  bool print_sql_ = false;
};

}  // namespace

void add_source(Program& program) {
  program.add_noun(
      "source", Group::kStart,
      "the tables whose rows are recorded: add, list, check, pause, resume, move, remove");
  program.add(std::make_unique<SourceAdd>());
  program.add(std::make_unique<SourceList>());
  program.add(std::make_unique<SourceCheck>());
  program.add(std::make_unique<SourceChange>(SourceChange::Change::kPause));
  program.add(std::make_unique<SourceChange>(SourceChange::Change::kResume));
  program.add(source_move());
  program.add(std::make_unique<SourceChange>(SourceChange::Change::kRemove));
}

}  // namespace pgtally::cli
