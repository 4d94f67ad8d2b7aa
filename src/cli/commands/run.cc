// pgtally run: the service.

#include <atomic>
#include <chrono>

#include "base/encoding.h"
#include "capture/readers.h"
#include "cli/commands/list.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/progress.h"
#include "http/log_server.h"
#include "ledger/registry.h"
#include "service/hangup.h"
#include "service/outlets.h"
#include "service/publishing.h"
#include "service/settings.h"
#include "service/witnessing.h"

namespace pgtally::cli {
namespace {

class Run : public Command {
 public:
  Description describe() const override {
    return {.name = "run",
            .group = Group::kRecord,
            .summary = "record new rows and sign checkpoints: the service",
            .usage = "[--once] [--interval 1s] [--listen 127.0.0.1:8080]",
            .details =
                "Takes what is new in every source, gives it its place in the log, extends the "
                "tree and signs it. Any number of instances may run against one ledger; those "
                "without its key and guard record and do not sign. With --listen it serves the log "
                "over HTTP as well: tiles, entries, proofs, status, events. Stops cleanly on "
                "SIGTERM and SIGINT; reads the TLS certificate again on SIGHUP.",
            .examples = {
                {"pgtally run", "Run until it is stopped"},
                {"pgtally run --once", "Record and sign everything that waits, then exit"},
                {"pgtally run --listen 127.0.0.1:8080", "And serve the log over HTTP"},
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
    options.option("--listen", "ADDRESS:PORT", listen_, "serve the log over HTTP there");
    options.option("--tls-certificate", "FILE", tls_certificate_,
                   "over HTTPS, with this certificate chain (PEM)");
    options.option("--tls-key", "FILE", tls_key_, "and this private key (PEM)");
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
    TRY(auto ways_out, outlets(options.settings));
    Outlets running(options.conninfo, options.schema, std::move(ways_out));
    options.on_checkpoint = [&running](const SignedHead&) { running.wake(); };
    if (options.settings.serve.listen) return run_and_serve(options, stop);
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
    if (listen_) settings.serve.listen = listen_;
    if (tls_certificate_) settings.serve.tls_certificate = tls_certificate_;
    if (tls_key_) settings.serve.tls_key = tls_key_;
    if (settings.serve.tls_certificate.has_value() != settings.serve.tls_key.has_value()) {
      return reject("--tls-certificate and --tls-key go together");
    }
    if (!log_format_.empty()) {
      TRY(settings.log_format, parse_log_format(log_format_));
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

  static http::LogServerOptions serving_options(const RunnerOptions& options) {
    const ListenSettings& settings = options.settings.serve;
    http::LogServerOptions serving;
    serving.conninfo = options.conninfo;
    serving.schema = options.schema;
    serving.server.listen = *settings.listen;
    serving.server.tls_certificate = settings.tls_certificate.value_or("");
    serving.server.tls_key = settings.tls_key.value_or("");
    http::Limits& limits = serving.server.limits;
    limits.connections = static_cast<std::size_t>(settings.max_connections);
    limits.event_streams = (limits.connections + 1) / 2;
    limits.body = static_cast<std::size_t>(settings.max_body_kib) << 10;
    limits.idle = settings.idle_timeout;
    serving.log.cache_bytes = static_cast<std::size_t>(settings.cache_mib) << 20;
    serving.log.workers = static_cast<std::size_t>(settings.workers);
    serving.log.patience = options.settings.witness.patience();
    return serving;
  }

  static Result<Exit> run_and_serve(RunnerOptions& options, const StopSignal& stop) {
    Pulse pulse;
    TRY(const Waker waker, Waker::create());
    options.pulse = &pulse;
    options.waker = &waker;
    http::LogServerOptions serving = serving_options(options);
    serving.pulse = &pulse;
    serving.waker = &waker;

    std::unique_ptr<http::LogServer> server;  // goes after the thread that may call it
    std::atomic<http::LogServer*> started = nullptr;
    const Hangup hangup([&started] {
      if (http::LogServer* there = started) read_certificate_again(*there);
    });
    TRY(server, http::LogServer::start(serving));
    started = server.get();
    log(LogLevel::kInfo, "serving", {{"url", server->server().url()}});
    options.on_checkpoint = [&server, others = options.on_checkpoint](const SignedHead& head) {
      if (others) others(head);
      server->wake();
    };
    const Result<void> ended = run_loop(options, stop);
    // What was signed stays true and can still be read, whatever stopped the loop.
    if (!ended.ok() && server->serves_something() && !stop.requested()) {
      log(LogLevel::kError, "nothing is recorded any more; serving goes on", ended.error());
      while (!stop.wait_for(std::chrono::hours(1))) {
      }
    }
    if (!ended.ok()) return ended.error();
    return Exit::kOk;
  }

  static void read_certificate_again(http::LogServer& server) {
    const auto read = server.server().reload_certificate();
    if (read.ok()) {
      log(LogLevel::kInfo, "certificate and key were read again");
    } else {
      log(LogLevel::kError, "the old certificate stays in use", read.error());
    }
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

  // Witnesses first, so that what they say is published.
  static Result<std::vector<Outlet>> outlets(const ServiceSettings& settings) {
    std::vector<Outlet> outlets;
    if (settings.witness.policy) {
      TRY(Outlet asking, witnessing(settings.witness));
      outlets.push_back(std::move(asking));
    }
    if (settings.publish_directory) {
      outlets.push_back(publishing_into(*settings.publish_directory, settings.witness.patience()));
    }
    return outlets;
  }

  static Result<Exit> run_cycle(Context& context, const RunnerOptions& options) {
    TRY(pg::Connection * connection, context.database().connect());
    Progress progress(context.output(), "recording");
    TRY(const OnceReport report,
        run_once(*connection, options,
                 [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total); }));
    progress.clear();
    TRY(const Ledger ledger, open_ledger(context));
    TRY(const auto ways_out, outlets(options.settings));
    for (const Outlet& outlet : ways_out) {
      const auto delivered = outlet.deliver(ledger, [] { return false; });
      if (!delivered.ok()) return delivered.error().within(outlet.name);
    }
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
  std::optional<std::string> listen_;
  std::optional<std::string> tls_certificate_;
  std::optional<std::string> tls_key_;
  std::string log_format_;
  std::string accept_head_;
  std::string state_;
};

}  // namespace

void add_run(Program& program) {
  program.add(std::make_unique<Run>());
}

}  // namespace pgtally::cli
