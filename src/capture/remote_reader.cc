#include "capture/remote_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "capture/remote_poll.h"
#include "capture/remote_progress.h"
#include "capture/remote_sweep.h"
#include "capture/remote_xid.h"

namespace pgtally {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstNap{5};
// How often an idle reader asks whether a sweep is due.
constexpr std::chrono::seconds kSweepCheck{1};

class RemoteReader : public Reader {
 public:
  RemoteReader(RemoteSource source, const SweepSchedule& sweeps)
      : source_(std::move(source)),
        sweeps_(sweeps),
        name_(fmt::format("{} {}/{} ({})", source_.mode, source_.name, source_.definition.number,
                          source_.place)),
        sources_{source_.id} {}

  const std::string& name() const override { return name_; }
  const std::string& conninfo() const override { return source_.conninfo; }
  std::span<const std::int32_t> sources() const override { return sources_; }

  Result<ReaderStep> step(const Ledger& ledger, milliseconds wait) override {
    auto done = attempt(ledger);
    if (!done.ok()) {
      table_.reset();
      return done;
    }
    if (done->staged > 0 || done->may_have_more) {
      nap_ = kFirstNap;
    } else if (wait.count() > 0) {
      done->waited = std::min(nap_, wait);
      std::this_thread::sleep_for(done->waited);
      nap_ = std::min(nap_ * 2, wait);
    }
    return done;
  }

 private:
  Result<ReaderStep> attempt(const Ledger& ledger) {
    if (!table_) {
      TRY(table_, RemoteTable::connect(source_));
      if (source_.mode == "xid") {
        TRY_VOID(settle_rounds(ledger, *table_));
      } else if (!source_.sweeps_only) {
        TRY_VOID(settle_keys(ledger, *table_));
      }
    }
    ReaderStep step;
    if (source_.mode == "xid") {
      TRY(step, read_round(ledger, *table_));
    } else if (!source_.sweeps_only) {
      TRY(step, read_new_keys(ledger, *table_));
    }
    // One window each step, so that neither waits for the other's whole backlog.
    TRY(const bool due, sweep_is_due(ledger));
    if (!due) return step;
    TRY(const SweepProgress swept, sweep_remote_window(ledger, *table_));
    step.staged += swept.found;
    sweeping_ = !swept.done;
    if (swept.done) has_swept_ = true;
    step.may_have_more = step.may_have_more || sweeping_;
    return step;
  }

  Result<bool> sweep_is_due(const Ledger& ledger) {
    const auto now = std::chrono::steady_clock::now();
    if (sweeping_) return true;
    if (now < next_check_) return false;
    next_check_ = now + kSweepCheck;
    TRY(const SweepState state, sweep_state(ledger, source_.id));
    // Where nothing but sweeps finds rows, a new reader looks at once.
    if (source_.sweeps_only && !has_swept_) return true;
    // Mode poll reads the rows that are there from the lowest key on, and needs no sweep to begin with.
    const bool begins_with_sweep = source_.mode != "poll" || source_.sweeps_only;
    SweepTarget target;
    target.first = state.running || (state.first && begins_with_sweep);
    target.finds_new_rows = source_.sweeps_only;
    target.age_seconds = state.age_seconds;
    target.took_seconds = state.took_seconds;
    return is_due(target, sweeps_);
  }

  RemoteSource source_;
  SweepSchedule sweeps_;
  std::string name_;
  std::array<std::int32_t, 1> sources_;
  std::optional<RemoteTable> table_;
  milliseconds nap_ = kFirstNap;
  bool sweeping_ = false;
  bool has_swept_ = false;  // since this reader was made
  std::chrono::steady_clock::time_point next_check_{};
};

}  // namespace

std::unique_ptr<Reader> make_remote_reader(RemoteSource source, const SweepSchedule& sweeps) {
  return std::make_unique<RemoteReader>(std::move(source), sweeps);
}

}  // namespace pgtally
