// pgtally recover: after a restore, a failover, a fork: what is left, and the way on.

#include <fmt/format.h>

#include <filesystem>

#include "base/durable_file.h"
#include "base/encoding.h"
#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/published_copy.h"
#include "cli/recovery_text.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/progress.h"
#include "cli/trust.h"
#include "ledger/registered.h"
#include "service/ending.h"
#include "service/re_record.h"
#include "service/state_files.h"
#include "service/stop_signal.h"

namespace pgtally::cli {
namespace {

class Recover : public Command {
 public:
  Description describe() const override {
    return {
        .name = "recover",
        .group = Group::kCheck,
        .summary = "after a restore, a failover or a fork: say what is left, and go on provably",
        .usage =
            "[--published DIR|URL | --bundle FILE] [--vkey K | --policy P] [--execute "
            "[--new-origin NAME]]",
        .details =
            "Holds the log in the database against what was signed: the guard of this host, the "
            "kept checkpoints, and a published copy. Without --execute it changes nothing, and "
            "says "
            "what it would do. With it, entries that were published and are gone are recorded "
            "again from the copy, byte for byte, so that the tree is what was signed. Where that "
            "cannot be, the log ends with a signed statement, and a new one begins whose first "
            "entry names the old head; for that it needs --new-origin. Nothing is ever signed that "
            "contradicts what was published.\n\nExit status 1: the database is not a continuation "
            "of what was signed.",
        .examples = {
            {"pgtally recover --published /srv/log", "What has happened? Changes nothing"},
            {"pgtally recover --published /srv/log --execute",
             "Record again what was published and is gone"},
            {"pgtally recover --published https://log.example/payments --execute --new-origin "
             "bank.example/payments-2 --new-schema pgtally_2",
             "End a log that cannot be gone on with, and begin another"}}};
  }

  void declare(Options& options) override {
    options.option("--published", "DIR|URL", published_,
                   "a published copy of the log: a directory or what stands before /checkpoint");
    options.option("--bundle", "FILE", bundle_, "or a bundle that was made for an auditor");
    trust_.declare(options);
    options.flag("--execute", execute_, "do it");
    options.option("--new-origin", "NAME", new_origin_,
                   "where the log has to end: the origin of the one that goes on");
    options.option("--new-schema", "NAME", new_schema_, "and its schema (the old one's with _2)");
    options.option("--roles", "HOW", roles_,
                   "and its roles, as init has them: create, existing, none");
    options.option("--reason", "TEXT", reason_, "and the reason, for the statement; one line");
    options.option("--statement", "FILE", statement_,
                   "where the signed statement goes (ORIGIN.end in the current directory)");
    options.option("--state", "DIR", state_, kStateHelp);
  }

  Result<Exit> run(Context& context) override {
    TRY(const StopSignal stop, StopSignal::install());
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const auto directory, state_directory_of(context, state_));
    const Guard guard(StateFiles::of(directory, ledger.origin()).guard);
    std::optional<OpenedCopy> opened;
    if (published_ && bundle_) return reject("--published and --bundle both name a copy");
    if (published_ || bundle_) {
      TRY(const Policy policy, policy_for(ledger));
      TRY(opened,
          bundle_ ? OpenedCopy::open_bundle(*bundle_, policy)
                  : OpenedCopy::open(*published_, policy, [&stop] { return stop.requested(); }));
    }
    const PublishedCopy* copy = opened ? &opened->copy() : nullptr;
    Progress bar(context.output(), "reading the log");
    const RecoveryProgress progress = [&](std::uint64_t done, std::uint64_t total) {
      bar.update(done, total);
    };
    TRY(const Diagnosis found, diagnose(ledger, guard, copy, progress));
    bar.clear();
    const std::string place = bundle_ ? *bundle_ : published_.value_or("");
    const RecoveryView view{ledger.origin(), guard.path(), place,
                            (bundle_ ? "--bundle " : "--published ") + place,
                            context.globals().schema};
    if (!execute_) {
      if (context.json()) {
        print_json(context.output(), json_of(found, view));
      } else {
        context.output().write(text_of(found, view));
      }
      return found.ground == Ground::kWhole && found.guard_problem.empty() ? Exit::kOk : Exit::kNo;
    }
    if (!context.json()) context.output().write(text_of_state(found, view) + "\n");
    if (found.ground == Ground::kWhole) return tell_whole(context, found, view);
    if (found.ground == Ground::kBehind) return record_again(context, ledger, *copy, found, view);
    return end_log(context, ledger, found, view, directory);
  }

 private:
  // Who names no key trusts the one that the ledger names: enough to tell two states of one's own log
  // apart.
  Result<Policy> policy_for(const Ledger& ledger) const {
    Trust trust = trust_;
    if (!trust.vkey && !trust.policy) trust.vkey = ledger.vkey();
    return trust.read();
  }

  static Result<Exit> tell_whole(Context& context, const Diagnosis& found,
                                 const RecoveryView& view) {
    if (context.json()) {
      print_json(context.output(), json_of(found, view));
    } else {
      context.output().write(text_of_way_on(found, view));
    }
    return found.guard_problem.empty() ? Exit::kOk : Exit::kNo;
  }

  static Result<Exit> record_again(Context& context, const Ledger& ledger,
                                   const PublishedCopy& copy, const Diagnosis& found,
                                   const RecoveryView& view) {
    Progress bar(context.output(), "recording again");
    TRY(const ReRecorded done,
        re_record(ledger, copy, found, [&](std::uint64_t at, std::uint64_t total) {
          bar.update(at - found.size.value, total - found.size.value);
        }));
    bar.clear();
    if (context.json()) {
      json::object object = json_of(found, view);
      object["ok"] = true;
      object["recorded_again"] = done.entries;
      object["size"] = done.size.value;
      object["lost_sources"] = json_strings(done.lost_sources);
      print_json(context.output(), object);
      return Exit::kOk;
    }
    Output& out = context.output();
    out.line(
        fmt::format("recorded  {} again, size {}; the root is that of the published checkpoint",
                    counted(done.entries, "entry", "entries"), with_thousands(done.size.value)));
    for (const std::string& name : done.lost_sources) {
      out.line("  source " + name +
               " was added after the backup: its entries are there, its capture is not. Add its "
               "table again under another name.");
    }
    out.line(found.guard_problem.empty()
                 ? "Nothing was signed. Go on with: pgtally run"
                 : fmt::format("Nothing was signed. {}. Let this host sign with: pgtally run "
                               "--accept-head {}:{}",
                               found.guard_problem, found.published->size.value,
                               to_base64(found.published->root.view())));
    return Exit::kOk;
  }

  Result<Exit> end_log(Context& context, const Ledger& ledger, const Diagnosis& found,
                       const RecoveryView& view, const std::string& directory) const {
    if (!new_origin_) {
      return tampered("this log cannot be gone on with", way_on(found, view));
    }
    EndingRequest request;
    request.state_directory = directory;
    request.new_origin = *new_origin_;
    request.new_schema = new_schema_.value_or(view.schema + "_2");
    request.reason = reason_.value_or(found.reasons.empty() ? "" : found.reasons.front());
    request.statement_file = statement_.value_or(file_name_of(ledger.origin()) + ".end");
    TRY(request.roles, roles_of(roles_));
    TRY(const auto sources, read_registered(ledger));
    TRY(const Ending done, end_and_begin(ledger, found, request));
    if (context.json()) {
      json::object object = json_of(found, view);
      object["ok"] = true;
      object["ended"] = {{"size", done.head.size.value},
                         {"root", to_base64(done.head.root.view())},
                         {"statement", request.statement_file}};
      object["origin"] = request.new_origin;
      object["schema"] = request.new_schema;
      object["vkey"] = done.founded.vkey;
      print_json(context.output(), object);
      return Exit::kOk;
    }
    context.output().write(text_of(done, request, view, sources));
    return Exit::kOk;
  }

  static Result<Roles> roles_of(const std::string& text) {
    if (text == "create") return Roles::kCreate;
    if (text == "existing") return Roles::kExisting;
    if (text == "none") return Roles::kNone;
    return reject("--roles is create, existing or none, not \"" + text + "\"");
  }

  std::optional<std::string> published_;
  std::optional<std::string> bundle_;
  Trust trust_;
  bool execute_ = false;
  std::optional<std::string> new_origin_;
  std::optional<std::string> new_schema_;
  std::string roles_ = "create";
  std::optional<std::string> reason_;
  std::optional<std::string> statement_;
  std::string state_;
};

}  // namespace

void add_recover(Program& program) {
  program.add(std::make_unique<Recover>());
}

}  // namespace pgtally::cli
