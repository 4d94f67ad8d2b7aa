#include "ledger/sequencer.h"

#include "postgres/errors.h"

namespace pgtally {
namespace {

Result<LeafIndex> log_end(const Ledger& ledger) {
  TRY(const auto rows,
      ledger.query("SELECT next_id FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1"));
  if (rows.empty()) return tampered("the head of the log is missing");
  return rows.get<LeafIndex>(0, 0);
}

}  // namespace

Result<Road> Sequencer::best_road(const Ledger& ledger) {
  TRY(const auto rows,
      ledger.query(
          "SELECT has_table_privilege($1, 'SELECT') AND has_table_privilege($2, 'INSERT')",
          pg::Params().text(ledger.schema() + ".secret").text(ledger.schema() + ".processed_log")));
  TRY(const bool fast, rows.get<bool>(0, 0));
  return fast ? Road::kFast : Road::kSql;
}

Result<Taken> Sequencer::take_rows(const Ledger& ledger, Road road) {
  if (road == Road::kFast) {
    return take_fast_road(ledger, batch_rows_, integrator_, observer_);
  }
  TRY(const auto rows,
      ledger.query("SELECT pgtally.process_next_batch($1::int4)", pg::Params().int4(batch_rows_)));
  TRY(const auto count, rows.get<std::int64_t>(0, 0));
  reached(Step::kEntriesCopied);
  TRY(const LeafIndex end, log_end(ledger));
  TRY_VOID(integrator_.catch_up(ledger, end));
  Taken taken{static_cast<std::uint64_t>(count), false};
  if (count > 0) {
    TRY(const auto more, ledger.query("SELECT pgtally.may_have_more($1, $2::int4)",
                                      pg::Params().int8(count).int4(batch_rows_)));
    TRY(taken.may_have_more, more.get<bool>(0, 0));
  }
  return taken;
}

Result<BatchReport> Sequencer::take_next(const Ledger& ledger, Road road) {
  auto batch = take_batch(ledger, road);
  if (batch.ok() || batch.error().code == ErrorCode::kTampered) return batch;
  // A table of a source that is locked is a trouble of that source. That the ledger is, has another code.
  if (batch.error().code == ErrorCode::kRetry && !table_is_locked_) return batch;
  // The trouble of one source is not the others'.
  TRY(const bool set_aside, set_aside_failing(ledger));
  return set_aside || table_is_locked_ ? take_batch(ledger, road) : std::move(batch);
}

Result<bool> Sequencer::set_aside_failing(const Ledger& ledger) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  TRY_VOID(ledger.execute("SELECT pgtally.lock_ledger()"));
  TRY(const auto rows,
      ledger.query("SELECT pgtally.set_aside_failing($1::int4)", pg::Params().int4(batch_rows_)));
  TRY(const auto failing, rows.get<std::int32_t>(0, 0));
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return failing > 0;
  return retry("a failing source was not set aside: " + result.reason);
}

Result<BatchReport> Sequencer::take_batch(const Ledger& ledger, Road road) {
  BatchReport report;
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  // A statement of its own: what follows reads with a snapshot from after the wait.
  TRY_VOID(ledger.execute("SELECT pgtally.lock_ledger()"));
  reached(Step::kLocked);
  TRY(report.reloaded, integrator_.load(ledger));
  auto taken = take_rows(ledger, road);
  table_is_locked_ = !taken.ok() && ledger.connection().last_sqlstate() == pg::kLockNotAvailable;
  if (!taken.ok()) return std::move(taken).error();
  report.rows = taken->rows;
  report.may_have_more = taken->may_have_more;
  TRY_VOID(integrator_.write(ledger));

  report.head = integrator_.head();
  reached(Step::kTreeWritten);
  const auto sent = transaction.send_commit();
  reached(Step::kCommitSent);
  pg::CommitResult result = transaction.await_commit();
  report.outcome = sent.ok() ? result.outcome : pg::CommitOutcome::kUnknown;
  report.reason = std::move(result.reason);
  if (report.outcome == pg::CommitOutcome::kCommitted) reached(Step::kCommitted);
  return report;
}

}  // namespace pgtally
