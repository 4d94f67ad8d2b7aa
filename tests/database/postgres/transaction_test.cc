#include "postgres/transaction.h"

#include "helpers.h"

namespace pgtally::pg {
namespace {

using test::TestDatabase;

class TransactionTest : public ::testing::Test {
 protected:
  void SetUp() override { must(connection.execute("CREATE TABLE t (a int)")); }

  // Makes every COMMIT after an insert run this PL/pgSQL, while the commit is under way.
  void at_commit(const std::string& body) {
    must(connection.execute(
        "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + body +
        " RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION at_commit()"));
  }
  Transaction begin_and_insert() {
    Transaction transaction = must(Transaction::begin(connection));
    must(connection.execute("INSERT INTO t VALUES (1)"));
    return transaction;
  }
  std::string rows() { return db.psql("SELECT count(*) FROM t"); }

  TestDatabase db;
  Connection connection = connect(db);
};

TEST_F(TransactionTest, commits_when_the_server_says_so_without_a_warning) {
  Transaction transaction = begin_and_insert();
  EXPECT_EQ(rows(), "0");
  const CommitResult result = transaction.commit();
  EXPECT_EQ(result.outcome, CommitOutcome::kCommitted) << result.reason;
  EXPECT_EQ(rows(), "1");
}

TEST_F(TransactionTest, is_read_committed_and_writable_whatever_the_defaults_are) {
  must(
      connection.execute("SET default_transaction_isolation = 'serializable'; SET "
                         "default_transaction_read_only = on"));
  Transaction transaction = begin_and_insert();
  const Rows level = must(connection.query("SELECT current_setting('transaction_isolation')"));
  EXPECT_EQ(must(level.get<std::string>(0, 0)), "read committed");
  EXPECT_EQ(transaction.commit().outcome, CommitOutcome::kCommitted);
}

TEST_F(TransactionTest, is_rolled_back_when_it_is_dropped) {
  {
    const Transaction transaction = begin_and_insert();
  }
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::kIdle);
  EXPECT_EQ(rows(), "0");
}

TEST_F(TransactionTest, is_rolled_back_when_asked_and_then_over) {
  Transaction transaction = begin_and_insert();
  must(transaction.rollback());
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::kIdle);
  EXPECT_FALSE(transaction.rollback().ok());
  EXPECT_EQ(transaction.commit().outcome, CommitOutcome::kUnknown);
}

TEST_F(TransactionTest, does_not_begin_inside_another_one) {
  const Transaction transaction = begin_and_insert();
  EXPECT_FALSE(Transaction::begin(connection).ok());
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::kInTransaction);
}

TEST_F(TransactionTest, that_failed_before_is_rolled_back_by_commit) {
  Transaction transaction = begin_and_insert();
  EXPECT_FALSE(connection.execute("SELECT 1/0").ok());
  EXPECT_EQ(transaction.commit().outcome, CommitOutcome::kRolledBack);
  EXPECT_EQ(rows(), "0");
}

TEST_F(TransactionTest, is_unknown_after_a_warning_that_came_with_the_commit) {
  at_commit("RAISE WARNING 'the disk smells';");
  Transaction transaction = begin_and_insert();
  const CommitResult result = transaction.commit();
  EXPECT_EQ(result.outcome, CommitOutcome::kUnknown);
  EXPECT_NE(result.reason.find("the disk smells"), std::string::npos) << result.reason;
}

TEST_F(TransactionTest, is_committed_despite_warnings_from_before_and_notices_with_the_commit) {
  at_commit("RAISE NOTICE 'just so you know';");
  Transaction transaction = begin_and_insert();
  must(connection.execute("DO $$ BEGIN RAISE WARNING 'earlier'; END $$"));
  EXPECT_EQ(transaction.commit().outcome, CommitOutcome::kCommitted);
}

TEST_F(TransactionTest, is_unknown_after_an_error_at_commit) {
  at_commit("RAISE EXCEPTION 'no' USING ERRCODE = 'TLT09';");
  Transaction transaction = begin_and_insert();
  EXPECT_EQ(transaction.commit().outcome, CommitOutcome::kUnknown);
  EXPECT_EQ(connection.last_sqlstate(), "TLT09");
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::kIdle);
}

TEST_F(TransactionTest, is_unknown_when_somebody_has_ended_it_by_hand) {
  Transaction transaction = begin_and_insert();
  must(connection.execute("COMMIT"));
  EXPECT_EQ(transaction.commit().outcome, CommitOutcome::kUnknown);
}

TEST_F(TransactionTest, can_be_stopped_between_commit_and_its_answer) {
  Transaction transaction = begin_and_insert();
  must(transaction.send_commit());
  wait_until([&] { return rows() == "1"; });
  EXPECT_EQ(transaction.await_commit().outcome, CommitOutcome::kCommitted);
  EXPECT_FALSE(transaction.send_commit().ok());
}

TEST_F(TransactionTest, dropped_while_its_commit_is_under_way_does_not_wait_for_it) {
  at_commit("PERFORM pg_sleep(5);");
  const auto began = std::chrono::steady_clock::now();
  {
    Transaction transaction = begin_and_insert();
    must(transaction.send_commit());
  }
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(3));
  EXPECT_FALSE(connection.is_alive());
  must(connection.reset());
}

TEST_F(TransactionTest, cannot_begin_after_its_session_was_terminated) {
  terminate(db, connection.backend_pid());
  EXPECT_EQ(error_of(Transaction::begin(connection)).code, ErrorCode::kRetry);
}

TEST_F(TransactionTest, is_unknown_when_its_session_was_terminated_before_commit) {
  Transaction transaction = begin_and_insert();
  terminate(db, connection.backend_pid());
  EXPECT_EQ(transaction.commit().outcome, CommitOutcome::kUnknown);
  EXPECT_EQ(rows(), "0");
}

TEST_F(TransactionTest, is_unknown_when_its_session_was_terminated_while_it_committed) {
  at_commit("PERFORM pg_sleep(60);");
  Transaction transaction = begin_and_insert();
  must(transaction.send_commit());
  wait_for_event(db, connection.backend_pid(), "PgSleep");
  terminate(db, connection.backend_pid());
  EXPECT_EQ(transaction.await_commit().outcome, CommitOutcome::kUnknown);
  EXPECT_EQ(connection.last_sqlstate(), "57P01");
  EXPECT_EQ(rows(), "0");
}

TEST_F(TransactionTest, is_unknown_when_its_connection_was_reset_meanwhile) {
  Transaction transaction = begin_and_insert();
  must(connection.reset());
  must(connection.execute("BEGIN; INSERT INTO t VALUES (2)"));
  EXPECT_EQ(transaction.commit().outcome, CommitOutcome::kUnknown);
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::kInTransaction)
      << "it has committed a transaction that is not its own";
}

TEST_F(TransactionTest, dropped_after_a_reset_leaves_the_new_sessions_transaction_alone) {
  {
    const Transaction transaction = begin_and_insert();
    must(connection.reset());
    must(connection.execute("BEGIN"));
  }
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::kInTransaction);
}

TEST(TransactionOnASynchronousPrimary, is_unknown_when_the_wait_for_the_standby_was_cancelled) {
  const test::TestCluster cluster(
      test::TestCluster::Settings{{"synchronous_standby_names", "nobody"}});
  Connection connection = connect(cluster);
  must(connection.execute("SET synchronous_commit = local"));
  must(connection.execute("CREATE TABLE t (a int)"));
  must(connection.execute("SET synchronous_commit = on"));
  Transaction transaction = must(Transaction::begin(connection));
  must(connection.execute("INSERT INTO t VALUES (1)"));
  must(transaction.send_commit());
  wait_for_event(cluster, connection.backend_pid(), "SyncRep");
  must(connection.cancel());
  const CommitResult result = transaction.await_commit();
  EXPECT_EQ(result.outcome, CommitOutcome::kUnknown);
  EXPECT_NE(result.reason.find("synchronous replication"), std::string::npos) << result.reason;
  EXPECT_EQ(cluster.psql("SELECT count(*) FROM t"), "1");
}

}  // namespace
}  // namespace pgtally::pg
