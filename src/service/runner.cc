#include "service/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "crypto/ed25519.h"
#include "ledger/prune.h"
#include "ledger/sweeper.h"
#include "ledger/tile_store.h"
#include "merkle/proof.h"
#include "postgres/reconnect.h"
#include "service/pacer.h"
#include "service/readers.h"
#include "service/state_files.h"

namespace pgtally {
namespace {

using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

SteadyTime now() {
  return std::chrono::steady_clock::now();
}

constexpr std::chrono::minutes kThinningInterval{1};
constexpr std::chrono::seconds kPruningInterval{1};
constexpr std::chrono::seconds kOrderingInterval{5};

// A window of a source's sweep. One source's trouble (a dropped table, a revoked right) is noted, holds up
// no other, and gives nothing.
Result<std::optional<SweepProgress>> sweep(const Ledger& ledger, const SweepTarget& target) {
  auto progress = sweep_window(ledger, target.source_id);
  if (progress.ok()) return std::optional(*std::move(progress));
  const Error& error = progress.error();
  if (error.code == ErrorCode::kRetry) return error;
  log(LogLevel::kWarning, "sweeping " + target.name + " failed", error);
  TRY([[maybe_unused]] const auto noted,
      ledger.query("SELECT pgtally.note_failure($1::int4, '', $2, $3)",
                   pg::Params().int4(target.source_id).text(error.message).text(error.hint)));
  return std::optional<SweepProgress>();
}

// Tables get triggers of their own at any time. Each source that needs it is tried once, up to one whose
// table is in use. `told`: those whose trouble was logged.
Result<void> order_triggers(const Ledger& ledger, std::set<std::int32_t>& told) {
  std::vector<std::int64_t> tried;
  while (true) {
    TRY(const auto rows, ledger.query("SELECT source_id, name, trouble, is_locked FROM "
                                      "pgtally.order_triggers($1::int8[]::int4[])",
                                      pg::Params().int8_array(tried)));
    TRY(const auto id, rows.get<std::optional<std::int32_t>>(0, 0));
    if (!id) return {};
    TRY(const auto name, rows.get<std::string>(0, 1));
    TRY(const auto trouble, rows.get<std::optional<std::string>>(0, 2));
    TRY(const bool is_locked, rows.get<bool>(0, 3));
    if (!trouble) {
      log(LogLevel::kInfo, "takes inserts ahead of row triggers that the table has got",
          {{"source", name}});
      told.erase(*id);
    } else if (told.insert(*id).second) {
      log(LogLevel::kWarning, *trouble, {{"source", name}});
    }
    if (is_locked) return {};
    tried.push_back(*id);
  }
}

// One connected stretch of the service's life.
class Session {
 public:
  Session(const RunnerOptions& options, const StopSignal& stop, const Waker& waker, Cycle& cycle,
          ReaderPool& readers, const Ledger& ledger, Road road)
      : options_(options),
        stop_(stop),
        waker_(waker),
        cycle_(cycle),
        readers_(readers),
        ledger_(ledger),
        road_(road) {}

  // Until asked to stop, or until something fails.
  [[nodiscard]] Result<void> run(const std::function<void()>& all_is_well) {
    Pacer pacer(options_.settings.interval);
    auto ended = now();
    while (!stop_.requested()) {
      waker_.forget();  // whatever it was for, this cycle sees
      const auto began = now();
      TRY(const CycleReport report, cycle_.run_once(ledger_, road_));
      all_is_well();
      announce(report);
      prune_some();
      TRY(const bool swept, do_scheduled_work());
      const Found found = report.may_have_more || swept ? Found::kMoreWaits
                          : report.rows > 0             ? Found::kSomething
                                                        : Found::kNothing;
      const auto rested = began - std::exchange(ended, now());
      Rest rest = pacer.rest_after(rested, ended - began, found);
      // What is owed a checkpoint need not wait for more.
      const milliseconds due = report.checkpoint_due_in.value_or(rest.at_most);
      rest = {std::min(rest.at_least, due), std::min(rest.at_most, due)};
      if (stop_.wait_for(rest.at_least)) break;
      if (stop_.wait_for(rest.at_most - rest.at_least, &waker_)) break;
    }
    // What is committed by now and owed a checkpoint gets it before the service goes.
    TRY(const CycleReport last, cycle_.run_once(ledger_, road_, true));
    announce(last);
    return {};
  }

 private:
  void announce(const CycleReport& report) const {
    if (options_.pulse != nullptr) {
      options_.pulse->completed(report.rows, report.checkpoint.has_value());
    }
    if (!report.checkpoint) return;
    if (options_.on_checkpoint) options_.on_checkpoint(*report.checkpoint);
    log(LogLevel::kInfo, "checkpoint",
        {{"size", std::to_string(report.checkpoint->size.value)},
         {"rows", std::to_string(report.rows)}});
  }

  // A batch of staging; the next one at once if this one was full. It can always wait.
  void prune_some() {
    if (!options_.settings.prune || now() < next_pruning_) return;
    const auto gone = prune_staging(ledger_, options_.settings.batch_rows);
    if (gone.ok() && *gone == static_cast<std::uint64_t>(options_.settings.batch_rows)) return;
    next_pruning_ = now() + kPruningInterval;
    if (gone.ok()) return;
    log(LogLevel::kWarning, "pruning staging failed", gone.error());
    next_pruning_ = now() + kThinningInterval;
  }

  // True if there is more of it to do at once.
  [[nodiscard]] Result<bool> do_scheduled_work() {
    if (now() - last_thinning_ >= kThinningInterval) {
      last_thinning_ = now();
      TRY([[maybe_unused]] const auto thinned, ledger_.query("SELECT pgtally.thin_checkpoints()"));
    }
    if (now() >= next_ordering_) {
      next_ordering_ = now() + kOrderingInterval;
      TRY_VOID(order_triggers(ledger_, told_of_triggers_));
    }
    if (now() < next_sweep_check_) return false;
    TRY_VOID(readers_.refresh(ledger_));
    TRY(const auto targets, sweep_targets(ledger_));
    for (const SweepTarget& target : targets) {
      if (!is_due(target, options_.settings.sweeps)) continue;
      TRY(const auto progress, sweep(ledger_, target));
      if (!progress) continue;
      if (progress->done) {
        log(LogLevel::kInfo, "swept",
            {{"source", target.name}, {"found", std::to_string(progress->found)}});
      }
      return true;
    }
    next_sweep_check_ = now() + options_.settings.interval;
    return false;
  }

  const RunnerOptions& options_;
  const StopSignal& stop_;
  const Waker& waker_;
  Cycle& cycle_;
  ReaderPool& readers_;
  const Ledger& ledger_;
  Road road_;
  SteadyTime last_thinning_ = now();
  SteadyTime next_sweep_check_{};
  SteadyTime next_pruning_{};
  SteadyTime next_ordering_{};
  std::set<std::int32_t> told_of_triggers_;
};

Result<Road> choose_road(const Ledger& ledger, const RunnerOptions& options) {
  if (options.road) return *options.road;
  return Sequencer::best_road(ledger);
}

Result<std::uint64_t> rows_waiting(const Ledger& ledger) {
  TRY(const auto rows,
      ledger.query("SELECT coalesce(sum(w.waiting_rows), 0)::bigint FROM pgtally.waiting() AS w "
                   "JOIN pgtally.source AS s USING (source_id) WHERE NOT s.sweeps_only"));
  TRY(const auto count, rows.get<std::int64_t>(0, 0));
  return static_cast<std::uint64_t>(count);
}

}  // namespace

Result<Ledger> open_for_sequencing(pg::Connection& connection, const std::string& schema) {
  TRY(const Ledger ledger, Ledger::open(connection, schema));
  TRY(const auto rows,
      connection.query(
          "SELECT current_setting('fsync')::bool, "
          "coalesce(current_setting('pgtally.fsync_off_was_asked_for', true), 'off') = 'on', "
          "pg_is_in_recovery()"));
  TRY(const bool standby, rows.get<bool>(0, 2));
  if (standby) {
    return operator_error("this server is a standby",
                          "Connect to the primary, for example with "
                          "target_session_attrs=read-write.");
  }
  TRY(const bool fsync, rows.get<bool>(0, 0));
  TRY(const bool asked_for, rows.get<bool>(0, 1));
  if (fsync || asked_for) return ledger;
  return operator_error("the server runs with fsync = off, so a crash can lose what was signed",
                        "Set fsync = on in postgresql.conf and restart the server.");
}

Result<Cycle> make_cycle(const Ledger& ledger, const RunnerOptions& options, std::string* why_not) {
  const StateFiles files = StateFiles::of(options.state_directory, ledger.origin());
  const CycleOptions cycle{options.settings.batch_rows, options.settings.checkpoint_interval};
  const Guard guard(files.guard);
  std::optional<Signer> signer;
  if (files.has_key()) {
    TRY(SigningKey key, read_signing_key(files, ledger.origin()));
    TRY([[maybe_unused]] const GuardState state, guard.read());
    signer.emplace(std::move(key), guard, options.observer);
  } else if (guard.exists()) {
    return no_signing_key(files, ledger.origin());
  } else {
    *why_not = "neither signing key nor guard of " + ledger.origin() + " is in " + files.directory;
  }
  return Cycle(cycle, std::move(signer), options.observer, now);
}

Result<OnceReport> run_once(pg::Connection& connection, const RunnerOptions& options,
                            const RunProgress& progress) {
  TRY(const Ledger ledger, open_for_sequencing(connection, options.schema));
  TRY(const Road road, choose_road(ledger, options));
  // There may be no later cycle in which the other holes have their turn.
  TRY_VOID(ledger.execute("SET pgtally_session.probe_all_holes = on"));
  OnceReport report;
  TRY(Cycle cycle, make_cycle(ledger, options, &report.not_signed_because));
  TRY_VOID(cycle.check(ledger));
  if (options.readers) TRY_VOID(read_everything(ledger, options.readers));
  std::set<std::int32_t> told;
  TRY_VOID(order_triggers(ledger, told));

  TRY(const auto targets, sweep_targets(ledger));
  std::uint64_t total = 0;
  if (progress) {
    TRY(total, rows_waiting(ledger));
  }
  // Sweeping and sequencing take turns, so that neither waits for the other's whole backlog.
  auto target = targets.begin();
  while (true) {
    while (target != targets.end() && !target->first && !target->finds_new_rows) ++target;
    const bool sweeping = target != targets.end();
    if (sweeping) {
      TRY(const auto swept, sweep(ledger, *target));
      total += swept ? swept->found : 0;
      if (!swept || swept->done) ++target;
    }
    TRY(const CycleReport step, cycle.run_once(ledger, road));
    report.rows += step.rows;
    if (step.checkpoint) report.checkpoint = step.checkpoint;
    if (progress) progress(report.rows, std::max(total, report.rows));
    if (!sweeping && !step.may_have_more) break;
  }
  TRY(CycleReport last, cycle.run_once(ledger, road, true));
  report.rows += last.rows;
  report.head = std::move(last.head);
  if (last.checkpoint) report.checkpoint = std::move(last.checkpoint);
  if (options.settings.prune) {
    std::uint64_t gone = 0;
    do {
      TRY(gone, prune_staging(ledger, options.settings.batch_rows));
    } while (gone == static_cast<std::uint64_t>(options.settings.batch_rows));
  }
  return report;
}

Result<void> run_loop(const RunnerOptions& options, const StopSignal& stop) {
  std::random_device seed;
  std::mt19937_64 random(seed());
  pg::Backoff backoff({}, [&] { return std::uniform_real_distribution<double>(0, 1)(random); });
  bool started = false;
  std::optional<Cycle> cycle;
  TRY(const Waker own_waker, Waker::create());
  const Waker& waker = options.waker != nullptr ? *options.waker : own_waker;
  ReaderPool readers({options.conninfo, options.schema, options.readers, &waker}, stop);
  while (!stop.requested()) {
    const auto attempt = [&]() -> Result<void> {
      TRY(auto connection, pg::Connection::open(options.conninfo));
      TRY(const Ledger ledger, open_for_sequencing(connection, options.schema));
      TRY(const Road road, choose_road(ledger, options));
      if (!cycle) {
        std::string why_not;
        TRY(cycle, make_cycle(ledger, options, &why_not));
        log(LogLevel::kInfo, cycle->signs() ? "started" : "started, without signing",
            {{"origin", ledger.origin()},
             {"road", road == Road::kFast ? "fast" : "sql"},
             {"signing", cycle->signs() ? "yes" : why_not}});
        if (options.pulse != nullptr) options.pulse->starts(cycle->signs());
      } else {
        log(LogLevel::kInfo, "connected again");
      }
      TRY_VOID(cycle->check(ledger));
      Session session(options, stop, waker, *cycle, readers, ledger, road);
      return session.run([&] {
        started = true;
        backoff.reset();
      });
    };
    const Result<void> result = attempt();
    if (result.ok()) continue;
    const Error& error = result.error();
    if (options.pulse != nullptr) options.pulse->failed(error.message);
    // What was wrong from the beginning, and what contradicts a signature, is not waited out.
    if (error.code == ErrorCode::kTampered || (!started && error.code != ErrorCode::kRetry)) {
      return error;
    }
    const auto delay = std::chrono::duration_cast<milliseconds>(backoff.next_delay());
    log(LogLevel::kWarning, fmt::format("trying again in {} ms", delay.count()), error);
    if (stop.wait_for(delay)) break;
  }
  log(LogLevel::kInfo, "stopped");
  return {};
}

Result<void> accept_head(const Ledger& ledger, const std::string& state_directory, TreeSize size,
                         const Hash& root) {
  const StateFiles files = StateFiles::of(state_directory, ledger.origin());
  TRY([[maybe_unused]] const SigningKey key, read_signing_key(files, ledger.origin()));
  TRY(const Bytes random, random_bytes(GuardId{}.size()));
  GuardState state;
  state.origin = ledger.origin();
  std::copy(random.begin(), random.end(), state.id.begin());
  state.size = size;
  state.root = root;

  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  TRY_VOID(ledger.execute("SELECT pgtally.lock_ledger()"));
  TRY(TreeHead head, read_tree_head(ledger));
  if (head.size < size) {
    return tampered(
        fmt::format("the database has {} entries in its tree, fewer than the {} to accept",
                    head.size.value, size.value),
        "Bring back a database that has all of them.");
  }
  DatabaseTiles tiles(ledger, head.size);
  TRY(const Hash now_there, root_at(tiles, size));
  if (now_there != root) {
    return tampered(
        fmt::format("the tree of {} entries has another root than the one to accept", size.value),
        "Check that it was copied from a published checkpoint, whole and of this log.");
  }
  head.guard_id = state.id;
  TRY_VOID(write_tree_head(ledger, head));
  const pg::CommitResult result = transaction.commit();
  if (result.outcome != pg::CommitOutcome::kCommitted) {
    return retry("whether the head was accepted is not known: " + result.reason, "Run it again.");
  }
  return Guard(files.guard).replace(state);
}

}  // namespace pgtally
