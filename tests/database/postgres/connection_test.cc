#include "postgres/connection.h"

#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "helpers.h"

namespace pgtally::pg {
namespace {

using std::string_literals::operator""s;
using test::TestDatabase;

class ConnectionTest : public ::testing::Test {
 protected:
  std::string setting(const std::string& name) {
    return must(
        must(connection.query("SELECT current_setting('" + name + "')")).get<std::string>(0, 0));
  }

  TestDatabase db;
  Connection connection = connect(db);
};

TEST_F(ConnectionTest, speaks_utf8_whatever_the_environment_says) {
  ::setenv("PGCLIENTENCODING", "LATIN1", 1);
  Connection other = connect(db);
  ::unsetenv("PGCLIENTENCODING");
  const Rows rows = must(other.query("SELECT chr(8364)"));
  EXPECT_EQ(must(rows.get<std::string>(0, 0)), "\u20ac");
}

TEST_F(ConnectionTest, leaves_the_application_name_of_the_conninfo_alone) {
  EXPECT_EQ(setting("application_name"), "pgtally");
  connection = must(Connection::open(db.conninfo() + " application_name=other"));
  EXPECT_EQ(setting("application_name"), "other");
}

TEST_F(ConnectionTest, takes_settings_from_the_environment_when_the_conninfo_is_empty) {
  const std::string host =
      must(must(connection.query("SELECT current_setting('unix_socket_directories')"))
               .get<std::string>(0, 0));
  const Rows who = must(connection.query("SELECT current_user::text, current_setting('port')"));
  ::setenv("PGHOST", host.c_str(), 1);
  ::setenv("PGUSER", must(who.get<std::string>(0, 0)).c_str(), 1);
  ::setenv("PGPORT", must(who.get<std::string>(0, 1)).c_str(), 1);
  ::setenv("PGDATABASE", db.name().c_str(), 1);
  const auto opened = Connection::open("");
  for (const char* name : {"PGHOST", "PGUSER", "PGPORT", "PGDATABASE"}) ::unsetenv(name);
  EXPECT_TRUE(opened.ok());
}

TEST_F(ConnectionTest, finds_the_primary_among_several_hosts) {
  const std::string socket = setting("unix_socket_directories");
  const std::string user =
      must(must(connection.query("SELECT current_user::text")).get<std::string>(0, 0));
  Connection other = must(Connection::open("host=/nonexistent," + socket +
                                           " port=" + setting("port") + " dbname=" + db.name() +
                                           " user=" + user + " target_session_attrs=read-write"));
  EXPECT_GT(other.backend_pid(), 0);
  EXPECT_GE(other.server_version(), 140000);
}

TEST(Connecting, to_where_no_server_listens_is_for_the_operator) {
  const Error error = error_of(Connection::open("host=/nonexistent dbname=x"));
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_NE(error.message.find("No such file or directory"), std::string::npos) << error.message;
  EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
}

TEST(Connecting, to_a_host_that_does_not_exist_is_for_the_operator) {
  EXPECT_EQ(error_of(Connection::open("host=nowhere.invalid dbname=x")).code, ErrorCode::kOperator);
}

TEST(Connecting, refuses_a_malformed_conninfo) {
  EXPECT_EQ(error_of(Connection::open("postgresql://a:b:c:d@/")).code, ErrorCode::kOperator);
  EXPECT_EQ(error_of(Connection::open("host=a\0b"s)).code, ErrorCode::kReject);
}

TEST_F(ConnectionTest, learns_why_the_server_refused_it) {
  const Error database = error_of(Connection::open(db.conninfo() + " dbname=not_there"));
  EXPECT_EQ(database.code, ErrorCode::kOperator);
  EXPECT_NE(database.hint.find("database name"), std::string::npos) << database.hint;
  EXPECT_EQ(database.message.find("LOCATION"), std::string::npos) << database.message;
  EXPECT_EQ(database.message.find("3D000"), std::string::npos) << database.message;
  const Error user = error_of(Connection::open(db.conninfo() + " user=not_there"));
  EXPECT_EQ(user.code, ErrorCode::kOperator);
  EXPECT_NE(user.hint.find("pg_hba.conf"), std::string::npos) << user.hint;
}

TEST_F(ConnectionTest, execute_runs_many_statements_as_one_transaction) {
  must(connection.execute("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)"));
  EXPECT_EQ(db.psql("SELECT sum(a) FROM t"), "3");
  EXPECT_FALSE(connection.execute("INSERT INTO t VALUES (4); SELECT 1/0").ok());
  EXPECT_EQ(connection.last_sqlstate(), "22012");
  EXPECT_EQ(db.psql("SELECT sum(a) FROM t"), "3");
}

TEST_F(ConnectionTest, the_last_error_is_of_the_last_call) {
  EXPECT_FALSE(connection.query("SELECT * FROM nowhere").ok());
  ASSERT_TRUE(connection.last_error());
  EXPECT_EQ(connection.last_error()->sqlstate, "42P01");
  EXPECT_EQ(connection.last_error()->severity, "ERROR");
  must(connection.execute("SELECT 1"));
  EXPECT_FALSE(connection.last_error());
  EXPECT_EQ(connection.last_sqlstate(), "");
}

TEST_F(ConnectionTest, an_error_shows_the_line_of_the_statement) {
  const Error error = error_of(connection.query("SELECT '\u20ac',\n       nowhere"));
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_NE(error.message.find("SQLSTATE 42703"), std::string::npos) << error.message;
  EXPECT_NE(error.hint.find("at line 2, column 8: \"       nowhere\""), std::string::npos)
      << error.hint;
}

TEST_F(ConnectionTest, shows_message_and_hint_of_pgtallys_own_errors_as_they_are) {
  const auto raise = [&](const std::string& sqlstate) {
    return error_of(
        connection.execute("DO $$ BEGIN RAISE EXCEPTION 'what happened' USING ERRCODE = '" +
                           sqlstate + "', HINT = 'what to do', DETAIL = 'left out'; END $$"));
  };
  EXPECT_EQ(raise("TLR01").code, ErrorCode::kReject);
  EXPECT_EQ(raise("TLT01").code, ErrorCode::kTampered);
  EXPECT_EQ(raise("TLO01").code, ErrorCode::kOperator);
  EXPECT_EQ(raise("TLY01").code, ErrorCode::kRetry);
  EXPECT_EQ(raise("TLR01").message, "what happened");
  EXPECT_EQ(raise("TLR01").hint, "what to do");
  EXPECT_EQ(connection.last_sqlstate(), "TLR01");
}

TEST_F(ConnectionTest, timeouts_are_retry) {
  must(connection.execute("SET statement_timeout = '20ms'"));
  EXPECT_EQ(error_of(connection.execute("SELECT pg_sleep(5)")).code, ErrorCode::kRetry);
  EXPECT_EQ(connection.last_sqlstate(), "57014");

  Connection holder = connect(db);
  must(holder.execute("SELECT pg_advisory_lock(1)"));
  must(connection.execute("SET statement_timeout = 0; SET lock_timeout = '20ms'"));
  EXPECT_EQ(error_of(connection.execute("SELECT pg_advisory_lock(1)")).code, ErrorCode::kRetry);
  EXPECT_EQ(connection.last_sqlstate(), "55P03");
}

TEST_F(ConnectionTest, another_thread_can_cancel_a_statement) {
  std::thread other([&] {
    wait_for_event(db, connection.backend_pid(), "PgSleep");
    must(connection.cancel());
  });
  const Error error = error_of(connection.execute("SELECT pg_sleep(60)"));
  other.join();
  EXPECT_EQ(connection.last_sqlstate(), "57014");
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  must(connection.execute("SELECT 1"));
}

TEST_F(ConnectionTest, collects_what_the_server_remarked) {
  must(connection.execute(
      "DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two' USING ERRCODE = '01234'; END $$"));
  const auto notices = connection.notices();
  ASSERT_EQ(notices.size(), 2U);
  EXPECT_EQ(notices[0].severity, "NOTICE");
  EXPECT_EQ(notices[0].message, "one");
  EXPECT_EQ(notices[1].severity, "WARNING");
  EXPECT_EQ(notices[1].sqlstate, "01234");
  EXPECT_TRUE(connection.notices().empty());
}

TEST_F(ConnectionTest, keeps_only_the_newest_hundred_notices) {
  must(
      connection.execute("DO $$ BEGIN FOR i IN 1..250 LOOP RAISE NOTICE '%', i; END LOOP; END $$"));
  const auto notices = connection.notices();
  ASSERT_EQ(notices.size(), 100U);
  EXPECT_EQ(notices.back().message, "250");
}

TEST_F(ConnectionTest, refuses_a_copy_as_a_plain_statement_and_goes_on) {
  must(connection.execute("CREATE TABLE t (a int)"));
  EXPECT_FALSE(connection.execute("COPY t FROM STDIN").ok());
  EXPECT_FALSE(connection.execute("COPY t TO STDOUT; SELECT 1").ok());
  EXPECT_FALSE(connection.query("COPY t FROM STDIN").ok());
  must(connection.execute("SELECT 1"));
}

TEST_F(ConnectionTest, refuses_a_zero_byte_in_a_statement) {
  EXPECT_EQ(error_of(connection.execute("SELECT 1\0; DROP TABLE t"s)).code, ErrorCode::kReject);
  EXPECT_EQ(error_of(connection.query("SELECT 1\0"s)).code, ErrorCode::kReject);
  EXPECT_EQ(error_of(connection.prepare("a\0b"s, "SELECT 1")).code, ErrorCode::kReject);
}

TEST_F(ConnectionTest, query_takes_one_statement_only) {
  EXPECT_FALSE(connection.query("SELECT 1; SELECT 2").ok());
  EXPECT_EQ(connection.last_sqlstate(), "42601");
}

TEST_F(ConnectionTest, a_prepared_statement_runs_with_other_parameters_each_time) {
  must(connection.prepare("twice", "SELECT 2 * $1::int8"));
  for (const std::int64_t n : {1, 21}) {
    const Rows rows = must(connection.query_prepared("twice", Params().int8(n)));
    EXPECT_EQ(must(rows.get<std::int64_t>(0, 0)), 2 * n);
  }
  const Error error = error_of(connection.query_prepared("twice"));
  EXPECT_EQ(connection.last_sqlstate(), "08P01");
  EXPECT_EQ(error.code, ErrorCode::kOperator) << "sending the same again would not help";
}

TEST_F(ConnectionTest, tells_how_many_rows_a_command_touched) {
  must(connection.execute("CREATE TABLE t (a int)"));
  const Rows rows = must(connection.query("INSERT INTO t SELECT generate_series(1, 7)"));
  EXPECT_EQ(rows.affected(), 7U);
  EXPECT_EQ(rows.command_tag(), "INSERT 0 7");
  EXPECT_TRUE(rows.empty());
}

TEST_F(ConnectionTest, notices_that_its_server_session_has_ended_without_asking) {
  EXPECT_TRUE(connection.is_alive());
  terminate(db, connection.backend_pid());
  // The process is off the server's list a moment before its socket closes.
  for (int i = 0; i < 1000 && connection.is_alive(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_FALSE(connection.is_alive());
  EXPECT_EQ(error_of(connection.query("SELECT 1")).code, ErrorCode::kRetry);
  EXPECT_EQ(connection.transaction_status(), TransactionStatus::kUnknown);
  must(connection.reset());
  EXPECT_TRUE(connection.is_alive());
  EXPECT_EQ(setting("client_encoding"), "UTF8");
}

TEST_F(ConnectionTest, a_session_that_was_terminated_gives_retry_and_says_who_ended_it) {
  terminate(db, connection.backend_pid());
  EXPECT_EQ(error_of(connection.execute("SELECT 1")).code, ErrorCode::kRetry);
  EXPECT_EQ(connection.last_sqlstate(), "57P01");
  EXPECT_EQ(error_of(connection.execute("SELECT 1")).code, ErrorCode::kRetry);
  EXPECT_EQ(connection.last_sqlstate(), "08006");
}

TEST_F(ConnectionTest, termination_in_the_middle_of_a_statement_is_retry) {
  std::thread other([&, pid = connection.backend_pid()] {
    wait_for_event(db, pid, "PgSleep");
    terminate(db, pid);
  });
  EXPECT_EQ(error_of(connection.query("SELECT pg_sleep(60)")).code, ErrorCode::kRetry);
  other.join();
}

TEST_F(ConnectionTest, an_idle_transaction_that_timed_out_is_retry) {
  must(connection.execute("SET idle_in_transaction_session_timeout = '20ms'; BEGIN; SELECT 1"));
  wait_until([&] { return !connection.is_alive(); });
  EXPECT_EQ(error_of(connection.query("SELECT 1")).code, ErrorCode::kRetry);
}

TEST(ConnectionToAServerThatGoes, survives_its_restart_by_reset) {
  test::TestCluster cluster;
  Connection connection = connect(cluster);
  cluster.stop_immediately();
  wait_until([&] { return !connection.is_alive(); });
  EXPECT_EQ(error_of(connection.query("SELECT 1")).code, ErrorCode::kRetry);
  EXPECT_EQ(error_of(connection.reset()).code, ErrorCode::kRetry);
  cluster.start();
  must(connection.reset());
  EXPECT_EQ(must(must(connection.query("SELECT 1::int4")).get<std::int32_t>(0, 0)), 1);
}

TEST_F(ConnectionTest, may_move_while_it_is_in_use) {
  Connection moved = std::move(connection);
  must(moved.execute("DO $$ BEGIN RAISE NOTICE 'still heard'; END $$"));
  EXPECT_EQ(moved.notices().size(), 1U);
}

}  // namespace
}  // namespace pgtally::pg
