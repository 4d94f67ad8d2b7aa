// pgtally init: makes a ledger.

#include <filesystem>

#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "service/founding.h"

namespace pgtally::cli {
namespace {

class Init : public Command {
 public:
  Description describe() const override {
    return {.name = "init",
            .group = Group::kStart,
            .summary = "make a ledger in a database",
            .usage = "--origin NAME [--signing-key FILE] [--roles create|existing|none]",
            .details =
                "Creates one schema with tables, functions, guards and three roles, in one "
                "transaction, and on this host the signing key and the guard. Nothing outside "
                "that schema is touched and no extension is installed. The origin names the "
                "log for ever; begin it with a domain of yours.",
            .examples = {{"pgtally init --origin bank.example/payments", "Make a ledger"},
                         {"pgtally init --origin bank.example/payments --print-sql",
                          "Show what it would run, for a database administrator to read"},
                         {"pgtally init --origin bank.example/payments --roles none",
                          "Without roles, where CREATEROLE is not to be had"}}};
  }

  void declare(Options& options) override {
    options.option("--origin", "NAME", request_.origin, "the name of the log, for ever");
    options.require("--origin");
    options.option("--signing-key", "FILE", request_.signing_key,
                   "sign with this key; else one is made");
    options.option("--roles", "HOW", roles_,
                   "create (the default) the roles <database>_<schema>_writer, _sequencer and "
                   "_reader; use existing ones; or none");
    options.option("--state", "DIR", state_, kStateHelp);
    options.flag("--print-sql", print_sql_, "print the SQL and change nothing");
  }

  Result<Exit> run(Context& context) override {
    if (roles_ == "create") {
      request_.roles = Roles::kCreate;
    } else if (roles_ == "existing") {
      request_.roles = Roles::kExisting;
    } else if (roles_ == "none") {
      request_.roles = Roles::kNone;
    } else {
      return reject("--roles is create, existing or none, not \"" + roles_ + "\"");
    }
    request_.schema = context.globals().schema;
    TRY(request_.state_directory, state_directory_of(context, state_));
    TRY(pg::Connection * connection, context.database().connect());
    if (print_sql_) {
      TRY(const auto script, founding_script(*connection, request_));
      print_script(context, script);
      return Exit::kOk;
    }
    TRY(const Founding made, found_ledger(*connection, request_));
    if (context.json()) {
      print_json(context.output(), {{"ok", true},
                                    {"origin", request_.origin},
                                    {"vkey", made.vkey},
                                    {"schema", request_.schema},
                                    {"key_file", made.key_file},
                                    {"guard", made.guard_file}});
      return Exit::kOk;
    }
    Output& out = context.output();
    out.line("made     " + request_.origin + " in schema " + request_.schema);
    out.line("  vkey   " + made.vkey);
    out.line("  key    " + made.key_file + "   (secret: keep a copy in a safe place)");
    out.line("  guard  " + made.guard_file +
             "   (belongs to this host: do not restore it from a backup)");
    out.remark("Next: pgtally source add NAME --table SCHEMA.TABLE --key COLUMN");
    return Exit::kOk;
  }

 private:
  FoundingRequest request_;
  std::string roles_ = "create";
  std::string state_;
  bool print_sql_ = false;
};

}  // namespace

void add_init(Program& program) {
  program.add(std::make_unique<Init>());
}

}  // namespace pgtally::cli
