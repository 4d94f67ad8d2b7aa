// A transaction that is rolled back unless its COMMIT was heard to succeed.
//
// READ COMMITTED and READ WRITE are always spelt out, because a server or role may default to
// others. The Connection must outlive it and may move. Destroying it with a COMMIT in flight ends
// the session: waiting for an answer that nobody wants could last for ever.
#pragma once

#include <cstdint>
#include <string>

#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally::pg {

enum class CommitOutcome {
  kCommitted,  // tag COMMIT, no WARNING, session idle and connected: durable as the server promises
  kRolledBack,  // the server answered ROLLBACK: the transaction had failed before
  kUnknown,     // anything else: it may be there or not; read it again
};

struct CommitResult {
  CommitOutcome outcome;
  std::string reason;  // why not kCommitted
};

class Transaction {
 public:
  // Refused where a transaction is open already.
  [[nodiscard]] static Result<Transaction> begin(Connection& connection);

  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // commit() is send_commit() and await_commit(). After any of them the transaction is over.
  [[nodiscard]] CommitResult commit();
  // Even an error here leaves the outcome unknown; await_commit() says so too.
  [[nodiscard]] Result<void> send_commit();
  [[nodiscard]] CommitResult await_commit();

  [[nodiscard]] Result<void> rollback();

 private:
  enum class State : std::uint8_t { kOpen, kCommitSent, kCommitNotSent, kDone };

  Transaction(Session& session, std::uint64_t incarnation)
      : session_(&session), incarnation_(incarnation) {}

  Session* session_;
  std::uint64_t incarnation_;  // the session's, so that a reset connection is not taken for it
  std::uint64_t warnings_before_ = 0;
  State state_ = State::kOpen;
  std::string not_sent_;
};

}  // namespace pgtally::pg
