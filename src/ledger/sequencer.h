// One batch: entries, tiles and head in one transaction. Steps 1 and 2 of the way of a row.
//
// The rows and their order come from pending(), under the ledger's lock. They take one of two roads
// with the same outcome, sequenced_at aside:
//   - fast: read pending() in binary, number and hash here, COPY back in binary;
//   - in SQL: process_next_batch(), for a session that may not read the blinding secrets.
//
// Signs nothing: whoever calls this does so after kCommitted, and after nothing else.
#pragma once

#include <cstdint>
#include <string>

#include "ledger/fast_road.h"
#include "ledger/integrator.h"
#include "ledger/ledger.h"
#include "ledger/step.h"
#include "pgtally/result.h"
#include "postgres/transaction.h"

namespace pgtally {

enum class Road { kFast, kSql };

struct BatchReport {
  pg::CommitOutcome outcome = pg::CommitOutcome::kCommitted;
  std::string reason;          // why the outcome is not known
  std::uint64_t rows = 0;      // numbered by this batch
  bool may_have_more = false;  // some committed rows may have been left behind
  TreeHead head;               // committed, unless the outcome says otherwise
  bool reloaded = false;       // the tree was not extended from what this process held before
};

class Sequencer {
 public:
  static constexpr std::int32_t kMaxBatchRows = 1'000'000;

  // `observer` may be null; it must outlive the sequencer.
  Sequencer(std::int32_t batch_rows, StepObserver* observer)
      : batch_rows_(batch_rows), observer_(observer) {}

  // The fast road where this session may take it.
  [[nodiscard]] static Result<Road> best_road(const Ledger& ledger);

  // Takes the next rows, if there are any, and integrates what waits. A batch without anything to
  // do writes nothing. A source whose rows cannot be read is set aside, and the others go on. After
  // an error nothing was committed.
  [[nodiscard]] Result<BatchReport> take_next(const Ledger& ledger, Road road);

 private:
  void reached(Step step) const {
    if (observer_ != nullptr) observer_->reached(step);
  }
  [[nodiscard]] Result<BatchReport> take_batch(const Ledger& ledger, Road road);
  [[nodiscard]] Result<Taken> take_rows(const Ledger& ledger, Road road);
  [[nodiscard]] Result<bool> set_aside_failing(const Ledger& ledger);

  std::int32_t batch_rows_;
  bool table_is_locked_ = false;  // of some source: the last batch failed of it
  StepObserver* observer_;
  Integrator integrator_;
};

}  // namespace pgtally
