// One cycle: sequence, integrate, guard, sign, store, in that order of effects.
//
// Whatever stops it in the middle, the next cycle mends: signing looks at the committed head, never
// at what this process believes that it did.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "ledger/sequencer.h"
#include "pgtally/result.h"
#include "service/signer.h"

namespace pgtally {

// Monotonic; injected, so that tests need not wait.
using Clock = std::function<std::chrono::steady_clock::time_point()>;

struct CycleOptions {
  std::int32_t batch_rows = 40'000;
  // Checkpoints are no closer together than this, or than a second while there is a backlog.
  std::chrono::milliseconds checkpoint_interval{50};
};

struct CycleReport {
  std::uint64_t rows = 0;
  bool may_have_more = false;
  TreeHead head;
  std::optional<SignedHead> checkpoint;  // what was signed in this cycle
  // How long until the head may be signed; nothing if it is, or if there is nothing to sign.
  std::optional<std::chrono::milliseconds> checkpoint_due_in;
};

class Cycle {
 public:
  // Without a signer this instance sequences and integrates, and others sign.
  Cycle(CycleOptions options, std::optional<Signer> signer, StepObserver* observer, Clock clock)
      : options_(options),
        sequencer_(options.batch_rows, observer),
        signer_(std::move(signer)),
        clock_(std::move(clock)) {}

  // After every (re)connection, before anything else: that the database is one to go on with.
  [[nodiscard]] Result<void> check(const Ledger& ledger);

  // kRetry if the outcome of the COMMIT is not known; nothing was signed then. `sign_now` ignores
  // the checkpoint interval.
  [[nodiscard]] Result<CycleReport> run_once(const Ledger& ledger, Road road,
                                             bool sign_now = false);

  [[nodiscard]] bool signs() const { return signer_.has_value(); }

 private:
  CycleOptions options_;
  Sequencer sequencer_;
  std::optional<Signer> signer_;
  Clock clock_;
  std::optional<std::chrono::steady_clock::time_point> last_signed_;
  bool reloaded_since_signing_ = true;
  std::optional<TreeSize> signed_size_;  // nothing: perhaps a head was committed and never signed
};

}  // namespace pgtally
