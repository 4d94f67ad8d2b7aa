// pgtally run: the service.

#include <chrono>

#include "base/encoding.h"
#include "capture/readers.h"
#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/progress.h"
#include "ledger/registry.h"
#include "service/settings.h"

namespace pgtally::cli {
namespace {

class Run : public Command {
 public:
  Description describe() const override {
    return {.name = "run",
            .group = Group::kRecord,
            .summary = "record new rows and sign checkpoints: the service",
            .usage = "[--once] [--interval 1s]",
            .details =
                "Takes what is new in every source, gives it its place in the log, extends the "
                "tree and signs it. Any number of instances may run against one ledger; those "
                "without its key and guard record and do not sign. Stops cleanly on SIGTERM "
                "and SIGINT.",
            .examples = {
                {"pgtally run", "Run until it is stopped"},
                {"pgtally run --once", "Record and sign everything that waits, then exit"},
                {"pgtally run --interval 200ms --log-format json",
                 "Look at least five times a second, log as JSON lines"},
                {"pgtally run --accept-head 18204117:9NPdDyL+kAEQ6ejTnYcVvJ0wq3D5mG1b0g3w8kqkWQE=",
                 "Let this host sign from now on, from a published checkpoint"}}};
  }

  void declare(Options& options) override {
    options.flag("--once", once_, "one cycle over everything that waits, then exit");
    options.option("--interval", "TIME", interval_, "sleep no longer than this when idle (1s)");
    options.option("--checkpoint-interval", "TIME", checkpoint_interval_,
                   "sign no more often than this (50ms)");
    options.option(
        "--sweep-interval", "TIME", sweep_interval_,
        "how often tables without an integer key are swept for new rows (60s; 0: never)");
    options.option("--late-sweep-interval", "TIME", late_sweep_interval_,
                   "how often all tables are swept for rows that came late (1h; 0: never)");
    options.option("--batch-rows", "N", batch_rows_, "rows for one transaction (40000)");
    options.flag("--prune", prune_, "drop rows of staging that a checkpoint covers");
    options.option("--log-format", "FORMAT", log_format_, "text or json");
    options.option("--accept-head", "SIZE:ROOT", accept_head_,
                   "make this host the one that signs, from this published head on, and exit");
    options.option("--state", "DIR", state_, kStateHelp);
  }

  Result<Exit> run(Context& context) override {
    TRY(RunnerOptions options, runner_options(context, state_));
    TRY_VOID(take_settings(context, options.settings));
    options.readers = [sweeps = options.settings.sweeps](const Ledger& ledger) {
      return make_readers(ledger, sweeps);
    };
    if (!accept_head_.empty()) return accept(context, options);
    if (once_) return run_cycle(context, options);
    start_log(options.settings.log_format);
    TRY(const StopSignal stop, StopSignal::install());
    TRY_VOID(run_loop(options, stop));
    return Exit::kOk;
  }

 private:
  // The configuration file first, the command line over it.
  Result<void> take_settings(const Context& context, ServiceSettings& settings) const {
    settings = context.globals().file.service;
    if (!interval_.empty()) {
      TRY(settings.interval, parse_duration(interval_));
    }
    if (!checkpoint_interval_.empty()) {
      TRY(settings.checkpoint_interval, parse_duration(checkpoint_interval_));
    }
    TRY_VOID(take_sweep_interval(sweep_interval_, settings.sweeps.finding));
    TRY_VOID(take_sweep_interval(late_sweep_interval_, settings.sweeps.late));
    if (batch_rows_) {
      if (*batch_rows_ < 1 || *batch_rows_ > Sequencer::kMaxBatchRows) {
        return reject("--batch-rows is from 1 to 1000000");
      }
      settings.batch_rows = static_cast<std::int32_t>(*batch_rows_);
    }
    if (prune_) settings.prune = true;
    if (log_format_ == "json") {
      settings.log_format = LogFormat::kJson;
    } else if (log_format_ == "text") {
      settings.log_format = LogFormat::kText;
    } else if (!log_format_.empty()) {
      return reject("--log-format is text or json, not \"" + log_format_ + "\"");
    }
    return {};
  }

  static Result<void> take_sweep_interval(const std::string& text, std::chrono::seconds& into) {
    if (text.empty()) return {};
    if (text == "0") {
      into = std::chrono::seconds(0);
      return {};
    }
    TRY(const auto interval, parse_duration(text));
    into = std::chrono::ceil<std::chrono::seconds>(interval);
    return {};
  }

  Result<Exit> accept(Context& context, const RunnerOptions& options) const {
    const std::size_t colon = accept_head_.find(':');
    const auto size = parse_decimal(accept_head_.substr(0, colon));
    const auto root = hash_from_base64(
        colon == std::string::npos ? "" : std::string_view(accept_head_).substr(colon + 1));
    if (!size.ok() || !root.ok()) {
      return reject("--accept-head takes SIZE:ROOT, with the root in base64",
                    "They are the second and third line of a published checkpoint.");
    }
    TRY(const Ledger ledger, open_ledger(context));
    TRY_VOID(pgtally::accept_head(ledger, options.state_directory, TreeSize{*size}, *root));
    context.output().line("accepted  " + ledger.origin() + " at size " + with_thousands(*size) +
                          "; this host signs from now on, and no other");
    return Exit::kOk;
  }

  static Result<Exit> run_cycle(Context& context, const RunnerOptions& options) {
    TRY(pg::Connection * connection, context.database().connect());
    Progress progress(context.output(), "recording");
    TRY(const OnceReport report,
        run_once(*connection, options,
                 [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); }));
    progress.clear();
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const auto sources, list_sources(ledger));
    json::array failing;
    for (const SourceInfo& source : sources) {
      if (!source.failure) continue;
      failing.emplace_back(source.name);
      context.output().remark("note: " + source.name +
                              " could not be read: " + source.failure->message);
    }
    if (context.json()) {
      print_json(context.output(), {{"ok", report.not_signed_because.empty()},
                                    {"rows", report.rows},
                                    {"size", report.head.size.value},
                                    {"root", to_base64(report.head.root.view())},
                                    {"signed", report.not_signed_because.empty()},
                                    {"failing", std::move(failing)}});
    } else {
      context.output().line("recorded  " + counted(report.rows, "row", "rows") + ", size " +
                            with_thousands(report.head.size.value) +
                            (report.checkpoint ? ", signed" : ", nothing new to sign"));
    }
    if (report.not_signed_because.empty()) return Exit::kOk;
    return operator_error("nothing was signed: " + report.not_signed_because,
                          "Run it where they are, or take over with --accept-head SIZE:ROOT.");
  }

  bool once_ = false;
  std::string interval_;
  std::string checkpoint_interval_;
  std::string sweep_interval_;
  std::string late_sweep_interval_;
  std::optional<std::uint64_t> batch_rows_;
  bool prune_ = false;
  std::string log_format_;
  std::string accept_head_;
  std::string state_;
};

}  // namespace

void add_run(Program& program) {
  program.add(std::make_unique<Run>());
}

}  // namespace pgtally::cli
