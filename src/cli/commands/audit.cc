// pgtally audit: the log, then the rows against it.

#include "audit/audit.h"

#include <fmt/format.h>

#include <algorithm>

#include "audit/audit_bundle.h"
#include "audit/html_report.h"
#include "cli/audit_json.h"
#include "cli/audit_text.h"
#include "cli/commands/list.h"
#include "cli/files.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/progress.h"
#include "cli/trust.h"
#include "pgtally/note.h"

namespace pgtally::cli {
namespace {

class Audit : public Command {
 public:
  Description describe() const override {
    return {
        .name = "audit",
        .group = Group::kCheck,
        .summary = "are the rows of today those that were recorded?",
        .usage = "[SOURCE…] [--checkpoint FILE…] [--published DIR|URL] [--vkey K | --policy P]",
        .details =
            "First the log: every entry against the tree, the tiles, and all checkpoints that were "
            "signed. Then each source: every row of its table against what the log says of it. "
            "Each "
            "row that was changed, removed or slipped in is named, with what was recorded, what is "
            "there now, and since when a signature has covered it. Nothing is written.\n\nWithout "
            "a "
            "checkpoint from outside, this shows that the ledger is consistent with itself, and no "
            "more. `pgtally checkpoint -o FILE` makes one to keep elsewhere; a policy with "
            "witnesses, or a published copy, does as well.\n\nExit status 1: something was found.",
        .examples = {{"pgtally audit", "Everything, as far as the ledger itself can show it"},
                     {"pgtally audit payment --checkpoint outside.checkpoint --vkey \"$VKEY\"",
                      "One source, under a checkpoint that was kept elsewhere"},
                     {"pgtally audit --bundle ledger.bundle --database \"$URI\" --vkey \"$VKEY\"",
                      "With SELECT on the tables and nothing of the ledger: see pgtally bundle"},
                     {"pgtally audit --published https://log.example/payments --html audit.html",
                      "Against a published copy, as a page to hand over"}}};
  }

  void declare(Options& options) override {
    options.optional_arguments("SOURCE", sources_, "only these sources; the log is read whole");
    options.options("--checkpoint", "FILE", checkpoints_,
                    "signed checkpoints that were kept elsewhere");
    options.option(
        "--published", "DIR|URL", published_,
        "a copy of the log that was published; its checkpoint counts as one from outside");
    options.option("--bundle", "FILE", bundle_,
                   "the log as `pgtally bundle` wrote it; --database is where the tables are");
    options.flag("--as-of-bundle", as_of_bundle_,
                 "nobody has written to the tables since the bundle was made");
    trust_.declare(options);
    options.option("--late-after", "TIME", late_after_,
                   "a claimed time may be that far from its recording (1h)");
    options.option("--wait", "TIME", wait_, "wait that long for rows that are on their way (30s)");
    options.option("--html", "FILE", html_, "write the report as a page as well");
    options.flag("--all", all_, "print all findings that are listed, not the first of each kind");
  }

  Result<Exit> run(Context& context) override {
    TRY(AuditOptions audit, audit_options());
    if (as_of_bundle_ && !bundle_) return reject("--as-of-bundle goes with --bundle");
    std::optional<Progress> bar;
    std::string doing;
    audit.progress = [&](std::string_view phase, std::uint64_t done, std::uint64_t total) {
      if (!bar || doing != phase) {
        doing = phase;
        bar.emplace(context.output(), doing);
      }
      total == 0 ? bar->update(done) : bar->update(done, total);
    };
    const auto report = bundle_ ? of_bundle(context, audit) : of_ledger(context, audit);
    bar.reset();
    if (!report.ok()) return report.error();
    if (html_) TRY_VOID(write_file(*html_, html_of(*report)));
    if (context.json()) {
      print_json(context.output(), json_audit(*report));
    } else {
      context.output().write(text_of(*report, context.output().out(), all_));
    }
    // What a bundle cannot decide may be anything, so it is not called well.
    const bool is_decided = std::ranges::all_of(
        report->sources, [](const SourceReport& source) { return source.undecided == 0; });
    if (!report->ok() || (bundle_ && !is_decided)) return Exit::kNo;
    const bool is_read = std::ranges::none_of(
        report->sources, [](const SourceReport& source) { return source.cannot_be_read; });
    return is_read ? Exit::kOk : Exit::kEnvironment;
  }

 private:
  static Result<AuditReport> of_ledger(Context& context, const AuditOptions& audit) {
    TRY(const Ledger ledger, open_ledger(context));
    return audit_ledger(ledger, audit);
  }

  Result<AuditReport> of_bundle(Context& context, const AuditOptions& audit) const {
    TRY(const Policy policy, trust_.read());
    const auto log = BundleLog::open(*bundle_);
    if (!log.ok()) {
      // As with a proof that is none: the file says no.
      const Error& error = log.error();
      return error.code == ErrorCode::kReject ? tampered(error.message, error.hint) : error;
    }
    TRY(pg::Connection* const connection, context.database().connect());
    return audit_bundle(**log, *connection, policy, audit, as_of_bundle_);
  }

  Result<AuditOptions> audit_options() const {
    AuditOptions audit;
    audit.sources = sources_;
    audit.published = published_.value_or("");
    audit.late_after = late_after_;
    audit.wait = std::chrono::duration_cast<std::chrono::milliseconds>(wait_);
    if (trust_.vkey || trust_.policy) {
      TRY(audit.policy, trust_.read());
    }
    for (const std::string& file : checkpoints_) {
      auto note = read_file(file, kMaxNoteSize);
      if (!note.ok()) {
        Error error = std::move(note).error();
        error.hint += (error.hint.empty() ? "" : "\n") +
                      std::string("If it is the name of a source, put it before the options.");
        return error;
      }
      audit.outside.push_back({file, *std::move(note)});
    }
    return audit;
  }

  std::vector<std::string> sources_;
  std::vector<std::string> checkpoints_;
  std::optional<std::string> published_;
  std::optional<std::string> bundle_;
  bool as_of_bundle_ = false;
  Trust trust_;
  std::chrono::microseconds late_after_{std::chrono::hours(1)};
  std::chrono::microseconds wait_{std::chrono::seconds(30)};
  std::optional<std::string> html_;
  bool all_ = false;
};

}  // namespace

void add_audit(Program& program) {
  program.add(std::make_unique<Audit>());
}

}  // namespace pgtally::cli
