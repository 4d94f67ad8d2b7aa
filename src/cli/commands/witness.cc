// pgtally witness: cosigns the checkpoints of other ledgers, so that none of them can fork unnoticed.

#include "witness/witness.h"

#include <atomic>
#include <chrono>

#include "cli/commands/list.h"
#include "cli/context.h"
#include "cli/json.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "format/key_file.h"
#include "http/server.h"
#include "service/hangup.h"
#include "service/log.h"
#include "service/stop_signal.h"
#include "witness/handler.h"

namespace pgtally::cli {
namespace {

std::uint64_t seconds_since_1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

class WitnessCommand : public Command {
 public:
  Description describe() const override {
    return {
        .name = "witness",
        .group = Group::kCheck,
        .summary = "cosign the checkpoints of other ledgers: a witness",
        .usage = "--listen A:P --state FILE --key FILE --log VKEY…",
        .details =
            "Cosigns a checkpoint of a log once it is proved to extend the last one that was "
            "cosigned, by C2SP tlog-witness: any log that speaks it may ask. Needs no "
            "database; what it has cosigned is in the state file, on disk before anybody gets "
            "the cosignature.\n\nThe state is what keeps a log from being cosigned twice with "
            "different histories. Never go back to an older copy of it, and never run the same "
            "key without it: a witness that lost its state begins anew under another key.\n\nReads "
            "the TLS certificate again on SIGHUP.",
        .examples = {
            {"pgtally key generate --witness --name w.example/witness -o w.key",
             "Its key; what is printed goes into the policies of others"},
            {"pgtally witness --listen 127.0.0.1:8090 --state w.db --key w.key --log \"$VKEY\"",
             "Witness one ledger"},
            {"curl http://127.0.0.1:8090/$(printf bank.example/payments | sha256sum | cut -c "
             "1-64)/checkpoint",
             "The checkpoint of it that was cosigned last"}}};
  }

  void declare(Options& options) override {
    options.option("--listen", "ADDRESS:PORT", server_.listen, "where logs ask; port 0: any free");
    options.require("--listen");
    options.option("--state", "FILE", state_, "what was cosigned; made if it is not there");
    options.require("--state");
    options.option("--key", "FILE", key_, "the witness's key, as pgtally key generate makes it");
    options.require("--key");
    options.options("--log", "VKEY", logs_, "the verifier key of a log to witness");
    options.option("--tls-certificate", "FILE", server_.tls_certificate,
                   "PEM, the whole chain: https instead of http");
    options.option("--tls-key", "FILE", server_.tls_key, "PEM");
    options.option("--log-format", "FORMAT", log_format_, "text or json");
  }

  Result<Exit> run(Context& context) override {
    TRY(const LogFormat format, parse_log_format(log_format_));
    TRY(const auto logs, known_logs());
    TRY(SigningKey key, read_key_file(key_));
    bool created = false;
    TRY(auto state, witness::State::open(state_, &created));
    TRY(auto witness,
        witness::Witness::create(std::move(key), logs, std::move(state), seconds_since_1970));
    const std::string vkey = witness.verifier().text();

    start_log(format);
    TRY(const StopSignal stop, StopSignal::install());
    std::unique_ptr<http::Server> server;  // goes after the thread that may call it
    std::atomic<http::Server*> serving = nullptr;
    const Hangup hangup([&serving] { read_certificate_again(serving); });  // before any thread
    witness::Handler handler(std::move(witness));
    server_.limits.body = witness::kMaxRequestSize;
    TRY(server, http::Server::start(server_, handler));
    serving = server.get();
    if (created)
      log(LogLevel::kWarning, "a new state: no log was cosigned yet", {{"file", state_}});
    announce(context, vkey, server->url(), logs.size());
    while (!stop.wait_for(std::chrono::hours(1))) {
    }
    server->stop();
    return Exit::kOk;
  }

 private:
  static void read_certificate_again(http::Server* server) {
    if (server == nullptr) return;
    const auto read = server->reload_certificate();
    if (!read.ok()) log(LogLevel::kError, "the old certificate stays in use", read.error());
  }

  Result<std::vector<VerifierKey>> known_logs() const {
    if (logs_.empty()) {
      return reject("no log to witness", "Give the verifier key of each log with --log.");
    }
    std::vector<VerifierKey> logs;
    for (const std::string& text : logs_) {
      auto log = VerifierKey::parse(text);
      if (!log.ok()) return std::move(log).error().within("--log");
      logs.push_back(std::move(*log));
    }
    return logs;
  }

  static void announce(Context& context, const std::string& vkey, const std::string& url,
                       std::size_t logs) {
    if (context.json()) {
      print_json(context.output(), {{"ok", true}, {"url", url}, {"vkey", vkey}, {"logs", logs}});
    } else {
      context.output().line("witness   " + vkey);
      context.output().line("listens   " + url + "   for " + counted(logs, "log", "logs"));
    }
    context.output().out().flush();
  }

  http::ServerOptions server_;
  std::string state_;
  std::string key_;
  std::vector<std::string> logs_;
  std::string log_format_ = "text";
};

}  // namespace

void add_witness(Program& program) {
  program.add(std::make_unique<WitnessCommand>());
}

}  // namespace pgtally::cli
