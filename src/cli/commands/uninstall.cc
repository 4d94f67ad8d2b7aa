// pgtally uninstall: takes a ledger out of its database.

#include "capture/uninstall.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "base/encoding.h"
#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/text.h"
#include "service/state_files.h"

namespace pgtally::cli {
namespace {

class Uninstall : public Command {
 public:
  Description describe() const override {
    return {
        .name = "uninstall",
        .group = Group::kPlumbing,
        .summary = "take the ledger out of its database, for good",
        .usage = "[--yes-remove ORIGIN] [--print-sql]",
        .details =
            "Removes the schema with the log in it, triggers on tables of users, replication "
            "slots, "
            "publications, and the roles that init made. Proofs that were written can still be "
            "verified, and no new ones can be made. Signing key and guard stay on disk. Asks for "
            "the origin, unless it was given.",
        .examples = {{"pgtally uninstall --print-sql", "What it would run"},
                     {"pgtally uninstall --yes-remove bank.example/payments",
                      "Without being asked, in a script"}}};
  }

  void declare(Options& options) override {
    options.option("--yes-remove", "ORIGIN", origin_, "the ledger's origin, which confirms it");
    options.option("--state", "DIR", state_, kStateHelp);
    options.flag("--print-sql", print_sql_, "print the SQL and change nothing");
  }

  Result<Exit> run(Context& context) override {
    TRY(pg::Connection * connection, context.database().connect());
    TRY(const Ledger ledger, Ledger::open_older(*connection, context.globals().schema));
    TRY(const UninstallPlan plan, plan_uninstall(ledger));
    if (print_sql_) {
      TRY_VOID(print(context, plan));
      return Exit::kOk;
    }
    TRY(const auto directory, state_directory_of(context, state_));
    TRY_VOID(confirm(context, ledger, plan));
    TRY_VOID(uninstall(ledger, plan));
    report(context, ledger, plan, StateFiles::of(directory, ledger.origin()));
    return Exit::kOk;
  }

 private:
  static Result<void> print(Context& context, const UninstallPlan& plan) {
    print_script(context, plan.script);
    for (const pgtally::Stream& stream : plan.streams) {
      TRY(const auto script, drop_script(stream));
      context.output().write(stream.endpoint_id
                                 ? "-- In the database that sources are streamed from:\n" + script
                                 : script);
    }
    return {};
  }

  // Whoever types the origin has read which ledger it is.
  Result<void> confirm(Context& context, const Ledger& ledger, const UninstallPlan& plan) {
    const bool can_ask = !context.json() && ::isatty(STDIN_FILENO) == 1;
    if (!origin_ && can_ask) {
      context.output().err().line(
          printable(fmt::format("This removes {} with {} in schema {}.", ledger.origin(),
                                counted(plan.entries, "entry", "entries"), ledger.schema())));
      context.output().err().write("Type its origin to go on: ");
      context.output().err().flush();
      std::string line;
      std::getline(std::cin, line);
      origin_ = line;
    }
    if (!origin_) {
      return reject("uninstall removes " + ledger.origin() + " with " +
                        counted(plan.entries, "entry", "entries") + ", and nobody confirmed that",
                    "Confirm with: pgtally uninstall --yes-remove " + ledger.origin());
    }
    if (*origin_ == ledger.origin()) return {};
    return reject("the ledger in schema " + ledger.schema() + " is " +
                      pgtally::quoted(ledger.origin()) + ", not " + pgtally::quoted(*origin_),
                  "Nothing was removed.");
  }

  static void report(Context& context, const Ledger& ledger, const UninstallPlan& plan,
                     const StateFiles& files) {
    std::error_code ignored;
    json::array kept;
    for (const std::string& path : {files.key, files.guard}) {
      if (std::filesystem::exists(path, ignored)) kept.emplace_back(path);
    }
    if (context.json()) {
      print_json(context.output(), {{"ok", true},
                                    {"origin", ledger.origin()},
                                    {"entries", plan.entries},
                                    {"sources", json_strings(plan.sources)},
                                    {"roles", json_strings(plan.roles)},
                                    {"left_roles", json_strings(plan.left_roles)},
                                    {"left_files", std::move(kept)}});
      return;
    }
    Output& out = context.output();
    out.line(printable(fmt::format("removed  {} with {}, schema {}", ledger.origin(),
                                   counted(plan.entries, "entry", "entries"), ledger.schema())));
    if (!plan.streams.empty()) out.line("  and its replication slots and publications");
    if (!plan.roles.empty()) out.line(fmt::format("  and roles {}", fmt::join(plan.roles, ", ")));
    for (const std::string& role : plan.left_roles) {
      out.remark("left: role " + role + ", which init did not make, or a version that did not say");
    }
    for (const json::value& path : kept) {
      out.remark("left: " + std::string(path.as_string()));
    }
    if (!kept.empty()) {
      out.remark(
          "A key that signed stays a secret. Init refuses this origin while its guard is there.");
    }
  }

  std::optional<std::string> origin_;
  std::string state_;
  bool print_sql_ = false;
};

}  // namespace

void add_uninstall(Program& program) {
  program.add(std::make_unique<Uninstall>());
}

}  // namespace pgtally::cli
