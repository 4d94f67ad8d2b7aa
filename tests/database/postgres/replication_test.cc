#include "postgres/replication.h"

#include <gmock/gmock.h>

#include <atomic>
#include <optional>

#include "helpers.h"

namespace pgtally::pg {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::TestCluster;
using test::TestDatabase;
using testing::HasSubstr;

class ReplicationTest : public ::testing::Test {
 protected:
  Replication open(const std::string& more = "") {
    return must(Replication::open(db.conninfo() + more));
  }
  Replication open_streaming(Lsn from = {}) {
    Replication replication = open();
    must(replication.start({.slot = slot, .from = from, .publications = {"p"}}));
    return replication;
  }
  void make_slot_and_table() {
    db.psql("CREATE TABLE t (id int8 PRIMARY KEY, body text); CREATE PUBLICATION p FOR TABLE t");
    must(open().create_slot({.name = slot}));
  }
  // The kinds of the messages up to the next that ends a transaction, such as "BIIC". Without those
  // that describe tables, which the server repeats when it likes to.
  static std::string kinds(Replication& replication, Lsn* end = nullptr) {
    std::string text;
    for (int i = 0; i < 100'000; ++i) {
      const Received received = must(replication.receive(seconds(10)));
      const auto* data = std::get_if<XLogData>(&received);
      if (data == nullptr || data->payload[0] == 'R') continue;
      text += static_cast<char>(data->payload[0]);
      if (end != nullptr) *end = data->end;
      if (text.back() == 'C' || text.back() == 'c') return text;
    }
    throw std::runtime_error("no transaction ended: " + text);
  }
  static Error error_of_receiving(Replication& replication) {
    for (int i = 0; i < 100; ++i) {
      auto received = replication.receive(seconds(1));
      if (!received.ok()) return std::move(received).error();
    }
    throw std::runtime_error("the stream did not fail");
  }
  std::string slots() {
    return db.psql(
        "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM "
        "pg_replication_slots WHERE database = current_database()");
  }

  TestDatabase db;
  const std::string slot = db.name() + "_s";
};

TEST_F(ReplicationTest, identifies_cluster_and_database) {
  Replication replication = open();
  const SystemIdentity identity = must(replication.identify());
  EXPECT_EQ(identity.system_identifier,
            db.psql("SELECT system_identifier FROM pg_control_system()"));
  EXPECT_EQ(std::to_string(identity.timeline),
            db.psql("SELECT timeline_id FROM pg_control_checkpoint()"));
  EXPECT_EQ(identity.database, db.name());
  EXPECT_EQ(db.psql("SELECT '" + to_string(identity.position) +
                    "'::pg_lsn BETWEEN '0/1' AND pg_current_wal_flush_lsn()"),
            "t");
}

TEST_F(ReplicationTest, opens_whatever_the_connection_string_quotes) {
  const std::string server = db.conninfo().substr(0, db.conninfo().find(" dbname="));
  for (const std::string& conninfo :
       {server + " dbname='" + db.name() + "' replication=false",
        server + " dbname=" + db.name() + " application_name='a \\'b\\' \\\\c'"}) {
    Replication replication = must(Replication::open(conninfo));
    EXPECT_EQ(must(replication.identify()).database, db.name()) << conninfo;
  }
  EXPECT_EQ(error_of(Replication::open("host='x")).code, ErrorCode::kReject);
  EXPECT_EQ(error_of(Replication::open(std::string("a\0b", 3))).code, ErrorCode::kReject);
}

TEST_F(ReplicationTest, a_role_without_the_right_is_told_so) {
  db.psql("CREATE ROLE " + db.name() + "_plain LOGIN");
  const std::string server = db.conninfo();
  const Error error = error_of(Replication::open(server + " user=" + db.name() + "_plain"));
  EXPECT_EQ(error.code, ErrorCode::kOperator);
}

TEST_F(ReplicationTest, an_exported_snapshot_shows_what_was_there_before_the_slot) {
  db.psql("CREATE TABLE t (id int8); INSERT INTO t VALUES (1)");
  Replication replication = open();
  const CreatedSlot made =
      must(replication.create_slot({.name = slot, .snapshot = SlotSnapshot::kExport}));
  db.psql("INSERT INTO t VALUES (2)");
  EXPECT_EQ(slots(), slot);
  EXPECT_EQ(db.psql("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '" +
                    slot + "'"),
            to_string(made.consistent_point));
  EXPECT_EQ(db.psql("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '" +
                    made.snapshot + "'; SELECT string_agg(id::text, ' ') FROM t"),
            "1");
}

TEST_F(ReplicationTest, an_exported_snapshot_outlives_the_idle_timeouts_of_the_database) {
  for (const char* setting : {"idle_in_transaction_session_timeout", "idle_session_timeout"}) {
    db.psql("ALTER DATABASE " + db.name() + " SET " + setting + " = '100ms'");
  }
  Replication replication = open();
  const CreatedSlot made =
      must(replication.create_slot({.name = slot, .snapshot = SlotSnapshot::kExport}));
  db.psql("SELECT pg_sleep(0.5)");
  EXPECT_EQ(db.psql("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '" +
                    made.snapshot + "'; SELECT 'there'"),
            "there");
}

TEST_F(ReplicationTest, its_own_transaction_can_use_the_snapshot) {
  db.psql("CREATE TABLE t (id int8); INSERT INTO t VALUES (1)");
  Replication replication = open();
  must(replication.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  must(replication.create_slot({.name = slot, .temporary = true, .snapshot = SlotSnapshot::kUse}));
  db.psql("INSERT INTO t VALUES (2)");
  EXPECT_EQ(
      must(must(replication.run("SELECT count(*)::text FROM public.t")).get<std::string>(0, 0)),
      "1");
  must(replication.run("COMMIT"));
  EXPECT_EQ(
      must(must(replication.run("SELECT count(*)::text FROM public.t")).get<std::string>(0, 0)),
      "2");
}

TEST_F(ReplicationTest, a_temporary_slot_goes_with_its_session) {
  {
    Replication replication = open();
    must(replication.create_slot({.name = slot, .temporary = true}));
    EXPECT_EQ(slots(), slot);
  }
  wait_until([&] { return slots().empty(); });
}

TEST_F(ReplicationTest, gives_up_waiting_for_running_writers_and_leaves_no_slot) {
  Connection writer = connect(db);
  must(writer.execute("BEGIN; CREATE TABLE t (id int8)"));
  Replication replication = open();
  const Error error =
      error_of(replication.create_slot({.name = slot, .timeout = milliseconds(300)}));
  EXPECT_EQ(error.code, ErrorCode::kRetry);
  EXPECT_THAT(error.message, HasSubstr("until all transactions that are running have ended"));
  EXPECT_EQ(slots(), "");
  must(writer.execute("COMMIT"));
  must(replication.create_slot({.name = slot}));
  EXPECT_EQ(slots(), slot);
}

TEST_F(ReplicationTest, making_a_slot_can_be_cancelled_and_leaves_none) {
  Connection writer = connect(db);
  must(writer.execute("BEGIN; CREATE TABLE t (id int8)"));
  Replication replication = open();
  int asked = 0;
  const Error error = error_of(
      replication.create_slot({.name = slot, .cancelled = [&asked] { return ++asked > 2; }}));
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_THAT(error.message, HasSubstr("cancelled"));
  EXPECT_EQ(slots(), "");
}

TEST_F(ReplicationTest, refuses_names_that_no_slot_can_have) {
  Replication replication = open();
  for (const std::string& name : {std::string(), std::string("A"), std::string("a-b"),
                                  std::string("a\"b"), std::string(64, 'a')}) {
    EXPECT_EQ(error_of(replication.create_slot({.name = name})).code, ErrorCode::kReject) << name;
    EXPECT_EQ(error_of(replication.start({.slot = name})).code, ErrorCode::kReject) << name;
    EXPECT_FALSE(replication.drop_slot(name).ok()) << name;
  }
}

TEST_F(ReplicationTest, dropping_a_slot_that_is_not_there_is_fine_and_one_in_use_is_retried) {
  make_slot_and_table();
  Replication other = open();
  {
    const Replication streaming = open_streaming();
    auto dropped = other.drop_slot(slot);
    ASSERT_FALSE(dropped.ok());
    EXPECT_EQ(dropped.error().code, ErrorCode::kRetry);
    auto started = other.start({.slot = slot, .from = {}, .publications = {"p"}});
    ASSERT_FALSE(started.ok());
    EXPECT_EQ(started.error().code, ErrorCode::kRetry);
  }
  wait_until([&] { return other.drop_slot(slot).ok(); });
  EXPECT_EQ(slots(), "");
  must(other.drop_slot(slot));
}

TEST_F(ReplicationTest, a_missing_slot_or_publication_needs_somebody) {
  make_slot_and_table();
  Replication replication = open();
  EXPECT_EQ(error_of(replication.start({.slot = slot + "x", .publications = {"p"}})).code,
            ErrorCode::kOperator);
  EXPECT_EQ(replication.last_sqlstate(), "42704");
  must(replication.start({.slot = slot, .publications = {"it's", "\"q\"", "back\\slash"}}));
  db.psql("INSERT INTO t VALUES (1)");
  const Error error = error_of_receiving(replication);
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_THAT(error.message, HasSubstr("it's"));
  EXPECT_EQ(replication.last_sqlstate(), "42704");
}

TEST_F(ReplicationTest, streams_each_transaction_and_says_when_nothing_came) {
  make_slot_and_table();
  Replication replication = open_streaming();
  db.psql("INSERT INTO t SELECT i, i FROM generate_series(1, 3) i");
  EXPECT_EQ(kinds(replication), "BIIIC");
  db.psql("UPDATE t SET body = 'x' WHERE id = 1; DELETE FROM t WHERE id = 2; TRUNCATE t");
  EXPECT_EQ(kinds(replication), "BUDTC");
  for (int i = 0; i < 100; ++i) {
    if (must(replication.receive(milliseconds(20))).index() == 0) return;
  }
  FAIL() << "something came all the time";
}

TEST_F(ReplicationTest, what_was_not_confirmed_comes_again_and_what_was_does_not) {
  make_slot_and_table();
  Lsn first;
  {
    Replication replication = open_streaming();
    db.psql("INSERT INTO t VALUES (1)");
    EXPECT_EQ(kinds(replication), "BIC");
    db.psql("INSERT INTO t VALUES (2), (3)");
    EXPECT_EQ(kinds(replication), "BIIC");
    must(replication.stop(seconds(10)));
  }
  {
    Replication replication = open_streaming();
    EXPECT_EQ(kinds(replication, &first), "BIC");
    must(replication.send_status({.written = first, .flushed = first, .applied = first}));
    must(replication.stop(seconds(10)));
  }
  Replication replication = open_streaming();
  EXPECT_EQ(kinds(replication), "BIIC");
  EXPECT_EQ(db.psql("SELECT confirmed_flush_lsn >= '" + to_string(first) +
                    "' FROM pg_replication_slots WHERE slot_name = '" + slot + "'"),
            "t");
}

TEST_F(ReplicationTest, takes_no_command_while_it_streams_and_does_again_after_stop) {
  make_slot_and_table();
  Replication replication = open_streaming();
  EXPECT_FALSE(replication.run("SELECT 1").ok());
  EXPECT_FALSE(replication.create_slot({.name = slot + "2"}).ok());
  must(replication.stop(seconds(10)));
  must(replication.stop(seconds(10)));
  EXPECT_FALSE(replication.receive(milliseconds(0)).ok());
  EXPECT_FALSE(replication.send_status({}).ok());
  EXPECT_FALSE(replication.start({.slot = slot, .publications = {"p"}}).ok());
  EXPECT_EQ(must(replication.identify()).database, db.name());
  must(replication.drop_slot(slot));
}

TEST_F(ReplicationTest, answers_the_servers_questions_while_it_waits) {
  make_slot_and_table();
  Replication replication = open(" options='-c wal_sender_timeout=600'");
  must(replication.start({.slot = slot, .publications = {"p"}}));
  bool asked = false;
  const auto end = std::chrono::steady_clock::now() + seconds(2);
  while (std::chrono::steady_clock::now() < end) {
    const Received received = must(replication.receive(milliseconds(500)));
    const auto* keepalive = std::get_if<Keepalive>(&received);
    asked = asked || (keepalive != nullptr && keepalive->reply_requested);
  }
  EXPECT_TRUE(asked);
  db.psql("INSERT INTO t VALUES (1)");
  EXPECT_EQ(kinds(replication), "BIC");
}

TEST_F(ReplicationTest, values_read_the_same_whatever_the_database_is_set_to) {
  db.psql(
      "CREATE TABLE t (id int8 PRIMARY KEY, a timestamptz, b interval, c float8, d bytea,"
      " e money, f regclass, g date); CREATE PUBLICATION p FOR TABLE t");
  must(open().create_slot({.name = slot}));
  for (const char* setting :
       {"datestyle = 'SQL, DMY'", "timezone = 'Asia/Kolkata'", "intervalstyle = 'iso_8601'",
        "extra_float_digits = -10", "bytea_output = 'escape'", "quote_all_identifiers = on",
        "search_path = public", "lc_monetary = 'C.UTF-8'", "client_encoding = 'latin1'",
        "statement_timeout = '500ms'", "row_security = on"}) {
    db.psql("ALTER DATABASE " + db.name() + " SET " + setting);
  }
  Replication replication = open_streaming();
  db.psql(
      "SET datestyle = 'ISO'; INSERT INTO t VALUES (1, '2026-11-22 14:03:27.118204+00',"
      " '1 day 02:03:04', 0.1::float8 + 0.2::float8, '\\x0001ff', 12.5, 'public.t',"
      " '2026-11-02')");
  for (int i = 0; i < 100; ++i) {
    const Received received = must(replication.receive(seconds(1)));
    const auto* data = std::get_if<XLogData>(&received);
    if (data == nullptr || data->payload[0] != 'I') continue;
    const std::string row(as_text(data->payload));
    EXPECT_THAT(row, HasSubstr("2026-11-22 14:03:27.118204+00"));
    EXPECT_THAT(row, HasSubstr("1 day 02:03:04"));
    EXPECT_THAT(row, HasSubstr("0.30000000000000004"));
    EXPECT_THAT(row, HasSubstr("\\x0001ff"));
    EXPECT_THAT(row, HasSubstr("12.50"));
    EXPECT_THAT(row, HasSubstr(std::string("\x00\x00\x00\x08public.t", 12)));
    EXPECT_THAT(row, HasSubstr("2026-11-02"));
    return;
  }
  FAIL() << "no row came";
}

TEST_F(ReplicationTest, values_come_as_utf8) {
  db.psql("CREATE TABLE t (id text PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t");
  must(open().create_slot({.name = slot}));
  db.psql("INSERT INTO t VALUES ('\u20ac')");
  db.psql("ALTER DATABASE " + db.name() + " SET client_encoding = 'latin1'");
  Replication replication = open_streaming();
  for (int i = 0; i < 100; ++i) {
    const Received received = must(replication.receive(seconds(1)));
    const auto* data = std::get_if<XLogData>(&received);
    if (data == nullptr || data->payload[0] != 'I') continue;
    EXPECT_THAT(std::string(as_text(data->payload)), HasSubstr("\u20ac"));
    return;
  }
  FAIL() << "no row came";
}

TEST_F(ReplicationTest, a_session_that_was_ended_is_retried) {
  make_slot_and_table();
  Replication replication = open_streaming();
  terminate(db, replication.backend_pid());
  EXPECT_EQ(error_of_receiving(replication).code, ErrorCode::kRetry);
  EXPECT_FALSE(replication.receive(milliseconds(0)).ok());
  EXPECT_FALSE(replication.send_status({}).ok());
}

class ReplicationClusterTest : public ::testing::Test {
 protected:
  void start() {
    cluster.psql("CREATE TABLE t (id int8 PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t");
    must(replication.create_slot({.name = "s"}));
    must(replication.start({.slot = "s", .publications = {"p"}}));
  }
  TestCluster cluster;
  Replication replication = must(Replication::open(cluster.conninfo()));
};

TEST_F(ReplicationClusterTest, a_server_that_crashes_is_retried_and_sends_again) {
  start();
  cluster.psql("INSERT INTO t VALUES (1)");
  cluster.stop_immediately();
  Error error = reject("nothing failed");
  for (int i = 0; i < 100; ++i) {
    auto received = replication.receive(seconds(1));
    if (received.ok()) continue;
    error = std::move(received).error();
    break;
  }
  EXPECT_EQ(error.code, ErrorCode::kRetry) << error.message;
  cluster.start();
  Replication again = must(Replication::open(cluster.conninfo()));
  must(again.start({.slot = "s", .publications = {"p"}}));
  for (int i = 0; i < 100; ++i) {
    const Received received = must(again.receive(seconds(1)));
    const auto* data = std::get_if<XLogData>(&received);
    if (data != nullptr && data->payload[0] == 'I') return;
  }
  FAIL() << "the row did not come again";
}

TEST_F(ReplicationClusterTest, a_server_can_shut_down_once_the_client_confirms_all) {
  start();
  std::atomic<bool> stopped = false;
  std::thread stopping([&] {
    cluster.stop();
    stopped = true;
  });
  Error error = reject("nothing failed");
  for (int i = 0; i < 10'000; ++i) {
    auto received = replication.receive(seconds(1));
    if (!received.ok()) {
      error = std::move(received).error();
      break;
    }
    if (const auto* keepalive = std::get_if<Keepalive>(&*received)) {
      const Lsn end = keepalive->end;
      (void)replication.send_status({.written = end, .flushed = end, .applied = end});
    }
  }
  stopping.join();
  EXPECT_TRUE(stopped);
  EXPECT_EQ(error.code, ErrorCode::kRetry) << error.message;
}

TEST_F(ReplicationClusterTest, a_slot_that_fell_too_far_behind_needs_somebody) {
  start();
  must(replication.stop(seconds(10)));
  cluster.psql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'");
  cluster.psql("SELECT pg_reload_conf()");
  // A slot that is in use is not invalidated as long as its client lives.
  wait_until([&] {
    cluster.psql("INSERT INTO t SELECT i FROM generate_series(1, 1000) i ON CONFLICT DO NOTHING");
    cluster.psql("SELECT pg_switch_wal()");
    cluster.psql("CHECKPOINT");
    return cluster.psql("SELECT wal_status FROM pg_replication_slots") == "lost";
  });
  Replication again = must(Replication::open(cluster.conninfo()));
  const Error error = error_of(again.start({.slot = "s", .publications = {"p"}}));
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_EQ(again.last_sqlstate(), "55000") << error.message;
}

}  // namespace
}  // namespace pgtally::pg
