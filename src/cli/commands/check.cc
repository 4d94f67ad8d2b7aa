// pgtally check: what a database can do for a ledger and its sources, before anything is changed.

#include <fmt/format.h>

#include <map>

#include "capture/modes.h"
#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/progress.h"
#include "cli/terminal/table.h"
#include "cli/terminal/text.h"
#include "ledger/registered.h"
#include "ledger/server_check.h"
#include "ledger/session_settings.h"
#include "ledger/table_check.h"

namespace pgtally::cli {
namespace {

struct Report {
  ServerFacts server;
  std::vector<ServerFinding> findings;
  std::string schema;
  bool has_ledger = false;
  std::string origin;       // empty where there is no ledger, or this user may not read it
  std::string ledger_says;  // why not
  std::vector<TableReport> tables;
  std::map<std::string, std::vector<std::string>> sources;  // by table
};

std::string_view name_of(Weight weight) {
  switch (weight) {
    case Weight::kFine:
      return "fine";
    case Weight::kNote:
      return "note";
    case Weight::kStops:
      break;
  }
  return "stops";
}

// A primary key explains itself; a table without one says why it has none by itself.
std::string key_text(const TableReport& report) {
  if (!report.plan) return "";
  const auto& key = report.plan->definition.key;
  return key.empty() ? "none" : fmt::format("{}", fmt::join(key, ", "));
}

std::vector<std::string> remarks(const TableReport& report) {
  std::vector<std::string> lines;
  if (!report.plan) return lines;
  const SourcePlan& plan = *report.plan;
  if (plan.key_why != "its primary key") lines.push_back("key: " + plan.key_why);
  if (!plan.not_covered.empty()) {
    lines.push_back(fmt::format("not covered: {}", fmt::join(plan.not_covered, ", ")));
  }
  for (const std::string& warning : plan.warnings) {
    if (warning != kKeysArePublic) lines.push_back("note: " + warning);
  }
  return lines;
}

json::object json_of(const TableReport& report, const std::vector<std::string>& sources) {
  json::array modes;
  for (const ModeReport& mode : report.modes) {
    json::array lacks;
    for (const Obstacle& obstacle : mode.lacks) {
      lacks.push_back({{"what", obstacle.what}, {"sql", obstacle.remedy}});
    }
    modes.push_back(
        {{"mode", mode.mode}, {"possible", mode.lacks.empty()}, {"lacks", std::move(lacks)}});
  }
  json::object table{{"table", report.table}, {"ok", report.plan.has_value()}};
  if (report.plan) {
    const SourcePlan& plan = *report.plan;
    table["mode"] = plan.definition.mode;
    table["why"] = plan.why;
    table["key"] = json_strings(plan.definition.key);
    table["key_why"] = plan.key_why;
    table["track_changes"] = plan.track_changes;
    table["not_covered"] = json_strings(plan.not_covered);
    table["warnings"] = json_strings(plan.warnings);
  } else {
    table["problem"] = report.refusal->message;
    table["hint"] = report.refusal->hint;
  }
  table["modes"] = std::move(modes);
  table["sources"] = json_strings(sources);
  return table;
}

class Check : public Command {
 public:
  Description describe() const override {
    return {
        .name = "check",
        .group = Group::kStart,
        .summary = "look at server, rights and tables before anything is changed",
        .usage = "[TABLE…] [--database URI]",
        .details =
            "Says whether this database can carry a ledger, how each of its tables would be "
            "recorded as a source and why, what would not be covered, and what is missing, with "
            "the SQL for it. Changes nothing and needs no ledger.",
        .examples = {{"pgtally check", "The server, and all tables of the database"},
                     {"pgtally check public.payment '\"Order Lines\"'",
                      "These, with all that each mode would need"}}};
  }

  void declare(Options& options) override {
    options.optional_arguments("TABLE", names_, "these tables; else all of the database");
  }

  Result<Exit> run(Context& context) override {
    TRY(const Report report, look(context));
    Exit exit = Exit::kOk;
    if (!names_.empty() && !all_fit(report)) exit = Exit::kUsage;
    if (!can_carry_ledger(report.findings)) exit = Exit::kEnvironment;
    if (context.json()) {
      print(context.output(), report, exit);
    } else {
      show(context.output(), report);
    }
    return exit;
  }

 private:
  static bool all_fit(const Report& report) {
    return std::ranges::all_of(report.tables,
                               [](const TableReport& table) { return table.plan.has_value(); });
  }

  Result<Report> look(Context& context) const {
    TRY(pg::Connection * connection, context.database().connect());
    TRY_VOID(prepare_session(*connection));
    Report report;
    report.schema = context.globals().schema;
    TRY(report.server, read_server_facts(*connection));
    TRY(const SourcePlace place, find_ledger(*connection, report));
    report.findings = judge_server(report.server, report.has_ledger);
    if (!report.has_ledger) {
      TRY(auto names, check_names(*connection, report.schema));
      std::ranges::move(names, std::back_inserter(report.findings));
    }
    std::vector<std::string> tables = names_;
    if (tables.empty()) {
      TRY(tables, list_tables(place));
    }
    Progress progress(context.output(), "checking", tables.size());
    for (const std::string& table : tables) {
      TRY(report.tables.emplace_back(), check_table(place, capture_modes(), table));
      progress.update(report.tables.size());
    }
    return report;
  }

  // Who would read: the ledger's owner, and before there is one whoever asks, as he would be it.
  static Result<SourcePlace> find_ledger(pg::Connection& connection, Report& report) {
    SourcePlace place{&connection, report.schema, report.server.user, report.server, false};
    TRY(const auto owner, connection.query("SELECT pg_get_userbyid(n.nspowner)::text FROM pg_class "
                                           "AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
                                           "WHERE n.nspname = $1 AND c.relname = 'ledger'",
                                           pg::Params().text(report.schema)));
    report.has_ledger = !owner.empty();
    if (!report.has_ledger) return place;
    TRY(place.reader, owner.get<std::string>(0, 0));
    auto ledger = Ledger::open(connection, report.schema);
    if (!ledger.ok()) {
      report.ledger_says = ledger.error().message;
      return place;
    }
    report.origin = ledger->origin();
    auto registered = read_registered(*ledger);
    if (!registered.ok()) {
      report.ledger_says = registered.error().message;
      return place;
    }
    for (const RegisteredSource& source : *registered) {
      if (source.state == "removed" || !source.database.empty() || source.mode == "append")
        continue;
      report.sources[source.definition.relation].push_back(source.name);
    }
    return place;
  }

  static std::vector<std::string> sources_of(const Report& report, const std::string& table) {
    const auto it = report.sources.find(table);
    return it == report.sources.end() ? std::vector<std::string>{} : it->second;
  }

  static void print(Output& out, const Report& report, Exit exit) {
    json::array findings;
    for (const ServerFinding& finding : report.findings) {
      findings.push_back({{"what", finding.what},
                          {"value", finding.value},
                          {"weight", name_of(finding.weight)},
                          {"says", finding.says},
                          {"sql", finding.remedy}});
    }
    json::array tables;
    for (const TableReport& table : report.tables) {
      tables.push_back(json_of(table, sources_of(report, table.table)));
    }
    json::value ledger = nullptr;
    if (report.has_ledger) {
      ledger = {{"schema", report.schema}, {"origin", report.origin}, {"says", report.ledger_says}};
    }
    print_json(out,
               {{"ok", exit == Exit::kOk},
                {"server", json::object{{"version", report.server.version},
                                        {"database", report.server.database},
                                        {"user", report.server.user},
                                        {"can_carry_ledger", can_carry_ledger(report.findings)},
                                        {"findings", std::move(findings)}}},
                {"ledger", std::move(ledger)},
                {"tables", std::move(tables)}});
  }

  void show(Output& output, const Report& report) const {
    Stream& out = output.out();
    out.line(
        printable(fmt::format("server      PostgreSQL {}, database {}, user {}",
                              report.server.version, report.server.database, report.server.user)));
    Table server({{""}, {""}, {""}}, 2);
    for (const ServerFinding& finding : report.findings) {
      if (finding.what == "PostgreSQL" && finding.weight == Weight::kFine) continue;  // said above
      server.add({finding.what, finding.value, finding.says});
    }
    out.write(server.text());
    std::string ledger = "none in schema " + report.schema + " yet";
    if (report.has_ledger) {
      ledger = report.ledger_says.empty() ? report.origin + " in schema " + report.schema
                                          : report.ledger_says;
    }
    out.line(printable("ledger      " + ledger));
    out.line("");
    show_tables(out, report);
    if (!names_.empty()) show_modes(out, report);
    show_remedies(out, report);
  }

  static void show_tables(Stream& out, const Report& report) {
    if (report.tables.empty()) {
      out.line("no tables of users in this database");
      return;
    }
    Table table({{"table"}, {"mode"}, {"key"}, {"why"}}, 2);
    for (const TableReport& each : report.tables) {
      const auto sources = sources_of(report, each.table);
      const std::string known =
          sources.empty() ? "" : fmt::format("   (source {} already)", fmt::join(sources, ", "));
      table.add({each.table, each.plan ? each.plan->definition.mode : "none", key_text(each),
                 (each.plan ? each.plan->why : "cannot be a source, see below") + known});
    }
    out.write(table.text());
    for (const TableReport& each : report.tables) {
      const std::vector<std::string> lines = remarks(each);
      if (each.plan && lines.empty()) continue;
      out.line("");
      out.line("  " + printable(each.table));
      if (each.refusal) {
        show_indented(out, each.refusal->message);
        show_indented(out, each.refusal->hint);
      }
      for (const std::string& line : lines) show_indented(out, line);
    }
  }

  static void show_indented(Stream& out, const std::string& text) {
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      out.line("    " + printable(text.substr(at, end - at)));
      at = end + 1;
    }
  }

  static void show_modes(Stream& out, const Report& report) {
    for (const TableReport& each : report.tables) {
      if (each.modes.empty()) continue;
      out.line("");
      out.line("  what each mode would need for " + printable(each.table));
      for (const ModeReport& mode : each.modes) {
        if (mode.lacks.empty()) out.line("    " + pad_right(mode.mode, 8) + "  nothing more");
        for (const Obstacle& obstacle : mode.lacks) {
          out.line("    " + pad_right(mode.mode, 8) + "  " + printable(obstacle.what));
          std::size_t at = 0;
          while (at < obstacle.remedy.size()) {
            const std::size_t end =
                std::min(obstacle.remedy.find('\n', at), obstacle.remedy.size());
            out.line("              " + printable(obstacle.remedy.substr(at, end - at)));
            at = end + 1;
          }
        }
      }
    }
  }

  static void show_remedies(Stream& out, const Report& report) {
    bool first = true;
    for (const ServerFinding& finding : report.findings) {
      if (finding.remedy.empty()) continue;
      if (first) out.line("\nWhat changes what the server lacks:");
      first = false;
      out.line("  " + printable(finding.remedy));
    }
  }

  std::vector<std::string> names_;
};

}  // namespace

void add_check(Program& program) {
  program.add(std::make_unique<Check>());
}

}  // namespace pgtally::cli
