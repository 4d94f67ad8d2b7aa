#include "postgres/copy.h"

#include "helpers.h"
#include "postgres/transaction.h"

namespace pgtally::pg {
namespace {

using test::TestDatabase;

class CopyTest : public ::testing::Test {
 protected:
  static constexpr const char* kIn = "COPY t (id, name, body) FROM STDIN (FORMAT binary)";
  static constexpr const char* kOut =
      "COPY (SELECT * FROM t ORDER BY id) TO STDOUT (FORMAT binary)";

  void SetUp() override {
    must(connection.execute("CREATE TABLE t (id int8 PRIMARY KEY, name text, body bytea)"));
  }
  void put(CopyIn& copy, std::int64_t id) {
    copy.int8(id);
    copy.text("row " + std::to_string(id));
    copy.null();
    must(copy.end_row());
  }
  void fill(std::int64_t rows) {
    must(connection.query("INSERT INTO t SELECT i, 'row ' || i FROM generate_series(1, $1) i",
                          Params().int8(rows)));
  }
  std::string count() { return db.psql("SELECT count(*) FROM t"); }

  TestDatabase db;
  Connection connection = connect(db);
};

TEST_F(CopyTest, in_brings_every_row_in_order) {
  CopyIn copy = must(CopyIn::start(connection, kIn));
  for (std::int64_t id = 0; id < 20'000; ++id) put(copy, id);
  EXPECT_EQ(must(copy.finish()), 20'000U);
  EXPECT_EQ(db.psql("SELECT count(*), sum(id) FROM t WHERE name = 'row ' || id AND body IS NULL"),
            "20000|199990000");
}

TEST_F(CopyTest, in_takes_every_type_that_it_has_a_method_for) {
  must(connection.execute(
      "SET timezone = 'UTC'; CREATE TABLE every (a bool, b int2, c int4, d int8, e int8, f text,"
      " g bytea, h bytea, i timestamptz, j timestamptz, k timestamptz, l int4)"));
  CopyIn copy = must(CopyIn::start(connection, "COPY every FROM STDIN (FORMAT binary)"));
  copy.boolean(true);
  copy.int2(INT16_MIN);
  copy.int4(INT32_MIN);
  copy.int8(INT64_MIN);
  copy.index(LeafIndex{INT64_MAX});
  copy.text("\u20ac");
  copy.bytea(Bytes{});
  copy.hash(Hash{});
  copy.time(Time{-1});
  copy.time(Time{Time::kMinusInfinity});
  copy.time(Time{});
  copy.null();
  must(copy.end_row());
  EXPECT_EQ(must(copy.finish()), 1U);
  EXPECT_EQ(db.psql("SET timezone = 'UTC'; SELECT * FROM every"),
            "t|-32768|-2147483648|-9223372036854775808|9223372036854775807|\u20ac|\\x|\\x" +
                std::string(64, '0') + "|1969-12-31 23:59:59.999999+00|-infinity||");
}

TEST_F(CopyTest, in_takes_huge_values) {
  const Bytes huge(40U << 20U, 0x5a);
  CopyIn copy = must(CopyIn::start(connection, kIn));
  for (std::int64_t id = 0; id < 2; ++id) {
    copy.int8(id);
    copy.null();
    copy.bytea(huge);
    must(copy.end_row());
  }
  put(copy, 2);
  EXPECT_EQ(must(copy.finish()), 3U);
  EXPECT_EQ(db.psql("SELECT sum(length(body)) FROM t"), std::to_string(2 * huge.size()));
}

TEST_F(CopyTest, in_of_no_rows_is_fine) {
  EXPECT_EQ(must(must(CopyIn::start(connection, kIn)).finish()), 0U);
}

TEST_F(CopyTest, in_that_was_dropped_leaves_nothing_and_a_usable_connection) {
  {
    CopyIn copy = must(CopyIn::start(connection, kIn));
    for (std::int64_t id = 0; id < 20'000; ++id) put(copy, id);
  }
  must(connection.execute("SELECT 1"));
  EXPECT_EQ(count(), "0");
}

TEST_F(CopyTest, in_that_was_aborted_fails_the_transaction_around_it) {
  Transaction transaction = must(Transaction::begin(connection));
  CopyIn copy = must(CopyIn::start(connection, kIn));
  put(copy, 1);
  must(copy.abort("changed my mind"));
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::kInError);
  EXPECT_EQ(transaction.commit().outcome, CommitOutcome::kRolledBack);
  EXPECT_FALSE(copy.end_row().ok());
  EXPECT_FALSE(copy.finish().ok());
}

TEST_F(CopyTest, in_reports_what_the_server_refuses_in_the_middle) {
  CopyIn copy = must(CopyIn::start(connection, kIn));
  for (std::int64_t id = 0; id < 20'000; ++id) put(copy, id == 7 ? 6 : id);
  const Error error = error_of(copy.finish());
  EXPECT_EQ(connection.last_sqlstate(), "23505");
  EXPECT_NE(error.hint.find("(id)=(6)"), std::string::npos) << error.hint;
  must(connection.execute("SELECT 1"));
  EXPECT_EQ(count(), "0");
}

TEST_F(CopyTest, in_reports_a_value_of_the_wrong_width) {
  CopyIn copy = must(CopyIn::start(connection, kIn));
  copy.int4(1);
  copy.null();
  copy.null();
  must(copy.end_row());
  EXPECT_FALSE(copy.finish().ok());
  EXPECT_EQ(connection.last_sqlstate(), "08P01");
}

TEST_F(CopyTest, in_refuses_a_row_with_too_few_or_too_many_fields) {
  for (const int fields : {0, 2, 4}) {
    CopyIn copy = must(CopyIn::start(connection, kIn));
    put(copy, 1);
    for (int i = 0; i < fields; ++i) copy.int8(i);
    EXPECT_FALSE(copy.end_row().ok()) << fields;
    EXPECT_FALSE(copy.finish().ok());
    must(connection.execute("SELECT 1"));
  }
  CopyIn unended = must(CopyIn::start(connection, kIn));
  unended.int8(1);
  EXPECT_FALSE(unended.finish().ok());
  EXPECT_EQ(count(), "0");
}

TEST_F(CopyTest, in_refuses_numbers_and_times_that_do_not_fit) {
  CopyIn index = must(CopyIn::start(connection, kIn));
  index.index(LeafIndex{std::uint64_t{1} << 63U});
  EXPECT_EQ(error_of(index.end_row()).code, ErrorCode::kReject);
  CopyIn time = must(CopyIn::start(connection, kIn));
  time.time(Time{Time::kMinusInfinity + 1});
  EXPECT_EQ(error_of(time.end_row()).code, ErrorCode::kReject);
}

TEST_F(CopyTest, in_is_retry_when_the_session_was_terminated) {
  CopyIn copy = must(CopyIn::start(connection, kIn));
  put(copy, 0);
  terminate(db, connection.backend_pid());
  Result<void> sent;
  for (std::int64_t id = 1; id < 100'000 && sent.ok(); ++id) {
    copy.int8(id);
    copy.null();
    copy.null();
    sent = copy.end_row();
  }
  const Error error = sent.ok() ? error_of(copy.finish()) : sent.error();
  EXPECT_EQ(error.code, ErrorCode::kRetry) << error.message;
}

TEST_F(CopyTest, statements_that_are_no_binary_copy_are_refused) {
  for (const char* sql :
       {"SELECT 1", "COPY t FROM STDIN", "COPY t TO STDOUT", "COPY nowhere FROM STDIN"}) {
    EXPECT_FALSE(CopyIn::start(connection, sql).ok()) << sql;
    must(connection.execute("SELECT 1"));
  }
  for (const char* sql : {"SELECT 1", "COPY t FROM STDIN", "COPY nowhere TO STDOUT"}) {
    EXPECT_FALSE(CopyOut::start(connection, sql).ok()) << sql;
    must(connection.execute("SELECT 1"));
  }
}

TEST_F(CopyTest, refuses_other_calls_while_it_lives) {
  CopyIn copy = must(CopyIn::start(connection, kIn));
  EXPECT_FALSE(connection.execute("SELECT 1").ok());
  EXPECT_FALSE(connection.query("SELECT 1").ok());
  EXPECT_FALSE(CopyOut::start(connection, kOut).ok());
  EXPECT_FALSE(Transaction::begin(connection).ok());
  put(copy, 1);
  EXPECT_EQ(must(copy.finish()), 1U);
}

TEST_F(CopyTest, out_gives_every_row_in_order) {
  fill(20'000);
  CopyOut copy = must(CopyOut::start(connection, kOut));
  std::int64_t id = 0;
  while (must(copy.next())) {
    ASSERT_EQ(copy.columns(), 3U);
    ASSERT_EQ(must(copy.get<std::int64_t>(0)), ++id);
    ASSERT_EQ(must(copy.get<std::string_view>(1)), "row " + std::to_string(id));
    ASSERT_EQ(must(copy.get<std::optional<Bytes>>(2)), std::nullopt);
  }
  EXPECT_EQ(id, 20'000);
  must(connection.execute("SELECT 1"));
}

TEST_F(CopyTest, out_of_an_empty_table_ends_at_once) {
  CopyOut copy = must(CopyOut::start(connection, kOut));
  EXPECT_FALSE(must(copy.next()));
  EXPECT_FALSE(copy.next().ok()) << "it is over";
}

TEST_F(CopyTest, out_checks_lengths_and_places) {
  fill(1);
  CopyOut copy = must(CopyOut::start(connection, kOut));
  ASSERT_TRUE(must(copy.next()));
  EXPECT_FALSE(copy.get<std::int32_t>(0).ok());
  EXPECT_FALSE(copy.get<Hash>(1).ok());
  EXPECT_FALSE(copy.get<std::string>(3).ok());
  EXPECT_FALSE(copy.get<std::string>(2).ok()) << "NULL";
}

TEST_F(CopyTest, out_reports_an_error_in_the_middle) {
  fill(20'000);
  CopyOut copy = must(CopyOut::start(
      connection, "COPY (SELECT 1/(15000 - id) FROM t ORDER BY id) TO STDOUT (FORMAT binary)"));
  std::size_t rows = 0;
  auto next = copy.next();
  for (; next.ok() && *next; next = copy.next()) ++rows;
  EXPECT_FALSE(next.ok());
  EXPECT_EQ(connection.last_sqlstate(), "22012");
  EXPECT_EQ(rows, 14'999U);
  must(connection.execute("SELECT 1"));
}

TEST_F(CopyTest, out_that_was_dropped_leaves_a_usable_connection) {
  fill(50'000);
  {
    CopyOut copy = must(CopyOut::start(connection, kOut));
    ASSERT_TRUE(must(copy.next()));
  }
  must(connection.execute("SELECT 1"));
}

TEST_F(CopyTest, out_is_retry_when_the_session_was_terminated) {
  CopyOut copy = must(CopyOut::start(
      connection, "COPY (SELECT pg_sleep(0.01) FROM generate_series(1, 6000)) TO STDOUT"));
  ASSERT_TRUE(must(copy.next()));
  db.psql("SELECT pg_terminate_backend(" + std::to_string(connection.backend_pid()) + ")");
  auto next = copy.next();
  while (next.ok() && *next) next = copy.next();
  EXPECT_EQ(error_of(std::move(next)).code, ErrorCode::kRetry);
}

TEST_F(CopyTest, out_takes_huge_values) {
  must(connection.execute(
      "INSERT INTO t VALUES (1, NULL, decode(repeat('5a', 40 * 1024 * 1024), 'hex'))"));
  CopyOut copy = must(CopyOut::start(connection, kOut));
  ASSERT_TRUE(must(copy.next()));
  EXPECT_EQ(must(copy.get<Bytes>(2)), Bytes(40U << 20U, 0x5a));
  EXPECT_FALSE(must(copy.next()));
}

TEST_F(CopyTest, out_in_text_gives_the_lines) {
  fill(2);
  CopyOut copy = must(CopyOut::start(connection, "COPY (SELECT * FROM t ORDER BY id) TO STDOUT"));
  ASSERT_TRUE(must(copy.next()));
  EXPECT_EQ(copy.line(), "1\trow 1\t\\N");
  EXPECT_FALSE(copy.get<std::string>(0).ok());
  ASSERT_TRUE(must(copy.next()));
  EXPECT_EQ(copy.line(), "2\trow 2\t\\N");
  EXPECT_FALSE(must(copy.next()));
  EXPECT_EQ(copy.line(), "");
}

}  // namespace
}  // namespace pgtally::pg
