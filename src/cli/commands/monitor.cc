// pgtally monitor: follows a log over the network.

#include "client/monitor.h"

#include <chrono>

#include "base/encoding.h"
#include "cli/commands/list.h"
#include "cli/errors.h"
#include "cli/json.h"
#include "cli/ledger_session.h"
#include "cli/program.h"
#include "cli/terminal/numbers.h"
#include "cli/terminal/progress.h"
#include "cli/terminal/text.h"
#include "cli/trust.h"
#include "client/log_client.h"
#include "service/settings.h"
#include "service/state_files.h"
#include "service/stop_signal.h"

namespace pgtally::cli {
namespace {

std::string cosigners(const VerifiedCheckpoint& seen) {
  std::string names;
  for (const Cosigned& each : seen.cosigned_by) {
    names += (names.empty() ? "" : ", ") + printable(each.witness);
  }
  return names;
}

class MonitorCommand : public Command {
 public:
  Description describe() const override {
    return {
        .name = "monitor",
        .group = Group::kCheck,
        .summary = "follow any log that speaks tlog-tiles, and see that it only ever grows",
        .usage = "URL --vkey K | --policy P [--entries] [--once]",
        .details =
            "Fetches the log's checkpoint again and again, verifies its signatures, and that it "
            "extends the one that was seen last, also when it is started anew: what was seen is "
            "remembered in a file. With --entries every entry is downloaded as well, and checked "
            "against the tree.\n\nExit status 1: what the log serves contradicts what it signed. "
            "If that concerns two checkpoints, both are printed, and kept beside the state.",
        .examples = {
            {"pgtally monitor https://log.example/payments --vkey \"$VKEY\"", "Follow a log"},
            {"pgtally monitor https://log.example/payments --policy policy.txt --once --entries",
             "Check all that is there now, witnesses included, and exit"}}};
  }

  void declare(Options& options) override {
    options.argument("URL", url_, "the log's prefix: what stands before /checkpoint");
    trust_.declare(options);
    options.flag("--entries", entries_, "download every entry, and check it against the tree");
    options.flag("--once", once_, "look once, then exit");
    options.option("--interval", "TIME", interval_, "look this often (10s)");
    options.option("--state", "DIR", state_,
                   "where to remember what was seen; else PGTALLY_STATE, else one that goes with "
                   "the user");
  }

  Result<Exit> run(Context& context) override {
    TRY(Policy policy, trust_.read());
    std::chrono::milliseconds interval{10'000};
    if (!interval_.empty()) {
      TRY(interval, parse_duration(interval_));
    }
    TRY(const std::string directory, state_directory_of(context, state_));
    TRY_VOID(create_state_directory(directory));
    TRY(const StopSignal stop, StopSignal::install());
    HttpClient http([&stop] { return stop.requested(); });
    TRY(LogClient log, LogClient::create(std::move(http), url_));

    Progress progress(context.output(), "checking entries");
    Monitor monitor(log, url_,
                    {.policy = std::move(policy),
                     .directory = directory,
                     .check_entries = entries_,
                     .progress = [&](std::uint64_t done, std::uint64_t total) {
                       progress.update(done, total);
                     }});
    bool is_first = true;
    do {
      const auto sighting = monitor.look();
      progress.clear();
      if (sighting.ok()) {
        report(context, *sighting, is_first);
        is_first = false;
      } else if (stop.requested()) {
        return Exit::kOk;
      } else if (once_ || sighting.error().code != ErrorCode::kRetry) {
        return sighting.error();
      } else {
        // Nothing is known to be wrong; a log may be away for a while.
        print_error(context.output(), sighting.error());
      }
      context.output().out().flush();
    } while (!once_ && !stop.wait_for(interval));
    return Exit::kOk;
  }

 private:
  // The first look is always told, later ones only if they saw something.
  void report(Context& context, const Sighting& sighting, bool is_first) const {
    const Checkpoint& now = sighting.seen.checkpoint;
    const bool is_old = sighting.before && now.size < *sighting.before;
    if (!is_first && !sighting.is_news() && !is_old) return;
    if (context.json()) {
      json::array cosigned;
      for (const Cosigned& each : sighting.seen.cosigned_by) {
        cosigned.push_back(
            {{"witness", each.witness}, {"timestamp", static_cast<std::int64_t>(each.timestamp)}});
      }
      print_json(context.output(),
                 {{"ok", true},
                  {"origin", now.origin},
                  {"size", now.size.value},
                  {"root", to_base64(now.root.view())},
                  {"extends", sighting.before ? json::value(sighting.before->value) : nullptr},
                  {"entries_checked", sighting.entries_checked.value},
                  {"cosigned_by", std::move(cosigned)}});
      return;
    }
    Output& out = context.output();
    if (is_first) out.line("monitoring  " + printable(now.origin) + " at " + url_);
    std::string line = "  size " + pad_left(with_thousands(now.size.value), 13) + "  root " +
                       to_base64(now.root.view()) + "  ";
    if (!sighting.before) {
      line += "first seen";
    } else if (is_old) {
      line += "older than " + with_thousands(sighting.before->value) + ", same history";
    } else if (sighting.is_news()) {
      line += "extends " + with_thousands(sighting.before->value);
    } else {
      line += "as seen before";
    }
    if (entries_) line += ", all entries fit";
    const std::string names = cosigners(sighting.seen);
    if (!names.empty()) line += ", cosigned by " + names;
    out.line(line);
  }

  std::string url_;
  Trust trust_;
  bool entries_ = false;
  bool once_ = false;
  std::string interval_;
  std::string state_;
};

}  // namespace

void add_monitor(Program& program) {
  program.add(std::make_unique<MonitorCommand>());
}

}  // namespace pgtally::cli
