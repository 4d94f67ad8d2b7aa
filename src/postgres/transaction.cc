#include "postgres/transaction.h"

#include "postgres/session.h"

namespace pgtally::pg {
namespace {

CommitResult unknown(std::string reason) {
  return {CommitOutcome::kUnknown,
          "it is not known whether the transaction was committed: " + std::move(reason)};
}

}  // namespace

Result<Transaction> Transaction::begin(Connection& connection) {
  Session& session = connection.session();
  if (connection.transaction_status() != TransactionStatus::kIdle && session.connected()) {
    return operator_error("a transaction cannot begin: another one is open on this connection");
  }
  TRY_VOID(session.run("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"));
  return Transaction(session, session.incarnation());
}

Transaction::Transaction(Transaction&& other) noexcept
    : session_(other.session_),
      incarnation_(other.incarnation_),
      warnings_before_(other.warnings_before_),
      state_(std::exchange(other.state_, State::kDone)),
      not_sent_(std::move(other.not_sent_)) {}

Transaction::~Transaction() {
  if (state_ == State::kCommitSent && session_->incarnation() == incarnation_) session_->sever();
  if (state_ == State::kOpen) (void)rollback();
}

CommitResult Transaction::commit() {
  (void)send_commit();  // await_commit tells what went wrong
  return await_commit();
}

Result<void> Transaction::send_commit() {
  if (state_ != State::kOpen) return operator_error("this transaction is over already");
  state_ = State::kCommitNotSent;
  if (session_->incarnation() != incarnation_) {
    not_sent_ = "the connection was made anew since it began";
    return retry("COMMIT was not sent: " + not_sent_);
  }
  warnings_before_ = session_->warnings();
  if (auto sent = session_->send("COMMIT"); !sent.ok()) {
    not_sent_ = sent.error().message;
    return sent;
  }
  state_ = State::kCommitSent;
  return {};
}

CommitResult Transaction::await_commit() {
  const State state = std::exchange(state_, State::kDone);
  if (state == State::kCommitNotSent) return unknown(not_sent_);
  if (state != State::kCommitSent) return unknown("COMMIT was not sent");
  if (session_->incarnation() != incarnation_) {
    return unknown("the connection was made anew before the answer to COMMIT was read");
  }
  auto answer = session_->collect("COMMIT");
  if (!answer.ok()) return unknown(answer.error().message);

  const std::string_view tag = PQcmdStatus(answer->get());
  if (tag == "ROLLBACK") {
    return {CommitOutcome::kRolledBack,
            "the server rolled the transaction back, because a statement in it had failed"};
  }
  if (tag != "COMMIT") return unknown("the server answered \"" + std::string(tag) + '"');
  // A wait for a synchronous standby that was cut short ends with the tag COMMIT and a WARNING:
  // then the transaction is committed here and may be gone after a failover.
  if (session_->warnings() != warnings_before_) {
    return unknown("the server warned: " + session_->last_warning());
  }
  if (!session_->connected() || PQtransactionStatus(session_->handle()) != PQTRANS_IDLE) {
    return unknown("the connection was lost right after the answer");
  }
  return {CommitOutcome::kCommitted, {}};
}

Result<void> Transaction::rollback() {
  if (state_ != State::kOpen) return operator_error("this transaction is over already");
  state_ = State::kDone;
  // With its connection a transaction is gone; an unsent COMMIT cannot have reached the server.
  if (session_->incarnation() != incarnation_ || !session_->connected()) return {};
  TRY_VOID(session_->run("ROLLBACK"));
  return {};
}

}  // namespace pgtally::pg
