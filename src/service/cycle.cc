#include "service/cycle.h"

#include <algorithm>

#include "ledger/settle.h"
#include "service/log.h"

namespace pgtally {
namespace {

constexpr std::chrono::milliseconds kBacklogInterval{1000};

}  // namespace

Result<void> Cycle::check(const Ledger& ledger) {
  signed_size_.reset();
  // First the guard: a database that contradicts it is left as it is.
  if (signer_) TRY_VOID(signer_->check(ledger));
  TRY(const auto settled, settle(ledger));
  if (settled) {
    log(LogLevel::kWarning,
        "this is another cluster than before: the ledger was restored, or a standby was promoted; "
        "what is in the log already was found by its keys",
        {{"staged_rows_not_in_the_log", std::to_string(settled->waiting)},
         {"staged_rows_marked_as_recorded", std::to_string(settled->recorded)},
         {"sources_to_be_swept", std::to_string(settled->sweeps)}});
  }
  return {};
}

Result<CycleReport> Cycle::run_once(const Ledger& ledger, Road road, bool sign_now) {
  TRY(const BatchReport batch, sequencer_.take_next(ledger, road));  // one commit
  reloaded_since_signing_ |= batch.reloaded;
  if (batch.outcome != pg::CommitOutcome::kCommitted) {
    reloaded_since_signing_ = true;
    return retry("whether a batch was committed is not known: " + batch.reason,
                 "The next cycle reads the head again and goes on from there.");
  }
  CycleReport report;
  report.rows = batch.rows;
  report.may_have_more = batch.may_have_more;
  report.head = batch.head;
  if (!signer_) return report;

  // From here on the batch is durable and nobody has heard of it.
  if (signed_size_ == batch.head.size) return report;
  const auto now = clock_();
  if (last_signed_ && !sign_now) {
    // A guard's fsyncs after every batch would slow a backlog down, and nobody waits for what is in
    // the middle of one.
    const auto interval = batch.may_have_more
                              ? std::max(options_.checkpoint_interval, kBacklogInterval)
                              : options_.checkpoint_interval;
    const auto due = *last_signed_ + interval;
    if (now < due) {
      report.checkpoint_due_in = std::chrono::ceil<std::chrono::milliseconds>(due - now);
      return report;
    }
  }
  auto checkpoint = signer_->sign(ledger, batch.head, !reloaded_since_signing_);
  if (!checkpoint.ok()) return std::move(checkpoint).error();
  report.checkpoint = std::move(*checkpoint);
  reloaded_since_signing_ = false;
  signed_size_ = batch.head.size;
  last_signed_ = now;
  return report;
}

}  // namespace pgtally
