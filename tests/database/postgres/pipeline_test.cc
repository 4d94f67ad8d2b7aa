#include "postgres/pipeline.h"

#include "helpers.h"
#include "postgres/transaction.h"

namespace pgtally::pg {
namespace {

using std::string_literals::operator""s;
using test::TestDatabase;

class PipelineTest : public ::testing::Test {
 protected:
  void SetUp() override { must(connection.execute("CREATE TABLE t (a int8 PRIMARY KEY)")); }
  std::string count() { return db.psql("SELECT count(*) FROM t"); }

  TestDatabase db;
  Connection connection = connect(db);
  Pipeline pipeline;
};

TEST_F(PipelineTest, gives_the_rows_of_each_statement_in_order) {
  must(connection.prepare("twice", "SELECT 2 * $1::int8"));
  for (std::int64_t i = 0; i < 1000; ++i) {
    pipeline.add("INSERT INTO t VALUES ($1)", Params().int8(i));
    pipeline.add_prepared("twice", Params().int8(i));
  }
  const auto answers = must(pipeline.run(connection));
  ASSERT_EQ(answers.size(), 2000U);
  for (std::int64_t i = 0; i < 1000; ++i) {
    const auto at = static_cast<std::size_t>(2 * i);
    EXPECT_EQ(answers[at].affected(), 1U);
    ASSERT_EQ(must(answers[at + 1].get<std::int64_t>(0, 0)), 2 * i);
  }
  EXPECT_EQ(pipeline.size(), 0U);
  EXPECT_EQ(count(), "1000");
}

TEST_F(PipelineTest, of_nothing_gives_nothing) {
  EXPECT_TRUE(must(pipeline.run(connection)).empty());
  must(connection.execute("SELECT 1"));
}

TEST_F(PipelineTest, undoes_everything_when_a_statement_in_the_middle_fails) {
  pipeline.add("INSERT INTO t VALUES (1)");
  pipeline.add("INSERT INTO t VALUES (1)");
  pipeline.add("SELECT nowhere");
  const Error error = error_of(pipeline.run(connection));
  EXPECT_EQ(connection.last_sqlstate(), "23505");
  EXPECT_EQ(error.message.find("statement 2 of 3 in a pipeline: "), 0U) << error.message;
  EXPECT_EQ(count(), "0");
  must(connection.execute("SELECT 1"));
  pipeline.add("SELECT 1");
  EXPECT_EQ(must(pipeline.run(connection)).size(), 1U);
}

TEST_F(PipelineTest, inside_a_transaction_an_error_leaves_it_failed) {
  Transaction transaction = must(Transaction::begin(connection));
  pipeline.add("INSERT INTO t VALUES (1)");
  pipeline.add("SELECT 1/0");
  EXPECT_FALSE(pipeline.run(connection).ok());
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::kInError);
  EXPECT_EQ(transaction.commit().outcome, CommitOutcome::kRolledBack);
}

TEST_F(PipelineTest, inside_a_transaction_commits_with_it) {
  Transaction transaction = must(Transaction::begin(connection));
  pipeline.add("INSERT INTO t VALUES (1)");
  must(pipeline.run(connection));
  EXPECT_EQ(count(), "0");
  EXPECT_EQ(transaction.commit().outcome, CommitOutcome::kCommitted);
  EXPECT_EQ(count(), "1");
}

TEST_F(PipelineTest, sends_nothing_when_one_statement_cannot_be_sent) {
  pipeline.add("INSERT INTO t VALUES (1)");
  pipeline.add("SELECT $1::int8", Params().index(LeafIndex{UINT64_MAX}));
  EXPECT_EQ(error_of(pipeline.run(connection)).code, ErrorCode::kReject);
  pipeline.add("INSERT INTO t VALUES (1)");
  pipeline.add("SELECT 1\0"s);
  EXPECT_EQ(error_of(pipeline.run(connection)).code, ErrorCode::kReject);
  EXPECT_EQ(count(), "0");
}

TEST_F(PipelineTest, takes_large_parameters_and_large_results_at_once) {
  const Bytes large(4U << 20U, 0x77);
  for (int i = 0; i < 8; ++i) pipeline.add("SELECT $1::bytea", Params().bytea(large));
  const auto answers = must(pipeline.run(connection));
  ASSERT_EQ(answers.size(), 8U);
  for (const Rows& rows : answers) EXPECT_EQ(must(rows.get<Bytes>(0, 0)), large);
}

TEST_F(PipelineTest, is_retry_when_its_session_was_terminated) {
  const int pid = connection.backend_pid();
  pipeline.add("INSERT INTO t VALUES (1)");
  pipeline.add("SELECT pg_sleep(60)");
  pipeline.add("INSERT INTO t VALUES (2)");
  std::thread other([&] {
    wait_for_event(db, pid, "PgSleep");
    terminate(db, pid);
  });
  EXPECT_EQ(error_of(pipeline.run(connection)).code, ErrorCode::kRetry);
  other.join();
  EXPECT_EQ(count(), "0");
  pipeline.add("SELECT 1");
  EXPECT_EQ(error_of(pipeline.run(connection)).code, ErrorCode::kRetry);
  must(connection.reset());
  must(connection.execute("SELECT 1"));
}

TEST_F(PipelineTest, ends_the_session_over_a_copy_instead_of_hanging) {
  for (const char* sql : {"COPY t FROM STDIN", "COPY t TO STDOUT"}) {
    pipeline.add("INSERT INTO t VALUES (1)");
    pipeline.add(sql);
    pipeline.add("SELECT 1");
    EXPECT_FALSE(pipeline.run(connection).ok()) << sql;
    EXPECT_FALSE(connection.is_alive());
    must(connection.reset());
    must(connection.execute("DELETE FROM t"));
  }
}

}  // namespace
}  // namespace pgtally::pg
