#include "service/cycle.h"

namespace pgtally {

Result<void> Cycle::check(const Ledger& ledger) {
  owes_checkpoint_ = true;
  if (!signer_) return {};
  TRY(const TreeHead head, read_tree_head(ledger));
  return signer_->check(ledger, head);
}

Result<CycleReport> Cycle::run_once(const Ledger& ledger, Road road, bool sign_now) {
  TRY(const BatchReport batch, sequencer_.take_next(ledger, road));  // one commit
  reloaded_since_signing_ |= batch.reloaded;
  if (batch.outcome != pg::CommitOutcome::kCommitted) {
    reloaded_since_signing_ = true;
    owes_checkpoint_ = true;
    return retry("whether a batch was committed is not known: " + batch.reason,
                 "The next cycle reads the head again and goes on from there.");
  }
  CycleReport report;
  report.rows = batch.rows;
  report.may_have_more = batch.may_have_more;
  report.head = batch.head;
  if (!signer_) return report;

  // From here on the batch is durable and nobody has heard of it.
  const bool is_new = owes_checkpoint_ || batch.rows > 0 || batch.reloaded;
  const auto now = clock_();
  const bool due = sign_now || !last_signed_ || now - *last_signed_ >= options_.checkpoint_interval;
  owes_checkpoint_ = is_new && !due;
  report.owes_checkpoint = owes_checkpoint_;
  if (!is_new || !due) return report;
  auto checkpoint = signer_->sign(ledger, batch.head, !reloaded_since_signing_);
  if (!checkpoint.ok()) {
    owes_checkpoint_ = true;
    return std::move(checkpoint).error();
  }
  report.checkpoint = std::move(*checkpoint);
  reloaded_since_signing_ = false;
  last_signed_ = now;
  return report;
}

}  // namespace pgtally
