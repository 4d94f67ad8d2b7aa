#include "capture/remote_xid.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "database/capture/remote_source.h"

namespace pgtally {
namespace {

using test::connect;
using test::error_of;
using test::must;
using test::RemoteSourceTest;
using Keys = std::vector<std::string>;

class RemoteXid : public testing::Test, public RemoteSourceTest {
 protected:
  void create_and_add(const std::function<void(SourceRequest&)>& change = {}) const {
    create_xid_table("x");
    add_x(change);
  }
  void add_x(const std::function<void(SourceRequest&)>& change = {}) const {
    add("x", {"id"}, [&](SourceRequest& request) {
      request.mode = "xid";
      if (change) change(request);
    });
  }
  void insert(const std::string& note, int rows = 1) const {
    psql("INSERT INTO x (note) SELECT '" + note + "' FROM generate_series(1, " +
         std::to_string(rows) + ")");
  }
};

TEST_F(RemoteXid, records_what_was_there_by_a_sweep_and_the_rest_by_rounds) {
  create_xid_table("x");
  insert("old", 12000);
  add_x();
  insert("new");
  read();
  read();
  EXPECT_EQ(keys_of("x").size(), 12001);
  EXPECT_EQ(differences("x"), "");
  EXPECT_EQ(ledger().gaps(), "");
  EXPECT_EQ(ledger().psql("SELECT sum(found) FROM pgtally.sweep"), "12000");
}

TEST_F(RemoteXid, skips_what_was_there_when_asked_to) {
  create_xid_table("x");
  insert("old", 3);
  auto slow = connect(there().conninfo());
  must(slow.execute("BEGIN; INSERT INTO x (note) VALUES ('slow')"));
  add_x([](SourceRequest& r) { r.skip_existing = true; });
  must(slow.execute("COMMIT"));
  insert("new");
  read();
  sweep("x");
  EXPECT_EQ(keys_of("x"), (Keys{"4", "5"}));
}

TEST_F(RemoteXid, takes_a_row_when_its_transaction_becomes_visible) {
  create_and_add();
  auto slow = connect(there().conninfo());
  must(slow.execute("BEGIN; INSERT INTO x (note) VALUES ('slow')"));
  insert("fast");
  read();
  EXPECT_EQ(keys_of("x"), (Keys{"2"}));
  insert("fast");
  read();
  must(slow.execute("COMMIT"));
  read();
  read();
  EXPECT_EQ(keys_of("x"), (Keys{"2", "3", "1"}));
}

TEST_F(RemoteXid, takes_rows_of_subtransactions_and_prepared_ones_and_none_that_was_rolled_back) {
  create_and_add();
  const std::string name = psql("SELECT current_database()");
  psql(
      "BEGIN; INSERT INTO x (note) VALUES ('a'); SAVEPOINT s; INSERT INTO x (note) VALUES ('b');"
      "RELEASE s; SAVEPOINT t; INSERT INTO x (note) VALUES ('gone'); ROLLBACK TO t; COMMIT");
  psql("BEGIN; INSERT INTO x (note) VALUES ('prepared'); PREPARE TRANSACTION '" + name + "'");
  insert("c");
  read();
  EXPECT_EQ(keys_of("x"), (Keys{"1", "2", "5"}));
  psql("COMMIT PREPARED '" + name + "'");
  read();
  EXPECT_EQ(differences("x"), "");
}

TEST_F(RemoteXid, pages_through_a_round_with_a_new_reader_for_each_page) {
  create_and_add();
  auto slow = connect(there().conninfo());
  must(slow.execute("BEGIN; INSERT INTO x (note) SELECT 'slow' FROM generate_series(1, 15000)"));
  insert("huge", 25000);
  read();
  must(slow.execute("COMMIT"));
  insert("huge", 12000);
  while (must(try_step()) > 0) {
    insert("while it reads");
    if (keys_of("x").size() > 100'000) break;
    if (std::stoi(psql("SELECT count(*) FROM x")) > 52'020) break;
  }
  read();
  EXPECT_EQ(differences("x"), "");
  EXPECT_EQ(ledger().gaps(), "");
}

TEST_F(RemoteXid, writes_nothing_when_nothing_is_new) {
  create_and_add();
  read();
  const std::string stored =
      "SELECT max(capture_id), (SELECT max(read_at) FROM pgtally.reading) "
      "FROM pgtally.capture";
  const std::string before = ledger().psql(stored);
  psql("SELECT pg_current_xact_id()");
  read();
  EXPECT_EQ(ledger().psql(stored), before);
}

TEST_F(RemoteXid, misses_and_doubles_nothing_of_concurrent_writers) {
  create_and_add();
  std::atomic<int> running = 4;
  std::vector<std::jthread> writers;
  for (unsigned w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937 random(w);
      auto connection = connect(there().conninfo());
      for (int i = 0; i < 120; ++i) {
        std::string sql = "BEGIN; INSERT INTO x (note) VALUES ('a'), ('b');";
        if (random() % 3 == 0) {
          sql += "SAVEPOINT s; INSERT INTO x (note) VALUES ('gone'); ROLLBACK TO s;";
        }
        if (random() % 5 == 0) sql += "SELECT pg_sleep(0.02);";
        sql += "INSERT INTO x (note) VALUES ('c');";
        must(connection.execute(sql + (random() % 4 == 0 ? "ROLLBACK" : "COMMIT")));
      }
      --running;
    });
  }
  while (running > 0) {
    must(try_step());
    ledger().drain();
  }
  for (std::jthread& writer : writers) writer.join();
  read();
  EXPECT_EQ(differences("x"), "");
  EXPECT_EQ(ledger().gaps(), "");
}

TEST_F(RemoteXid, begins_anew_by_key_when_the_cluster_is_another_one) {
  create_and_add();
  insert("recorded", 5);
  read();
  // What a dump and restore leaves: rows with the ids of another cluster, some of which are recorded,
  // and some of which this cluster is going to give out itself.
  psql(
      "ALTER TABLE x DROP CONSTRAINT x_xid_check;"
      "UPDATE x SET xid = (pg_current_xact_id()::text::bigint + 3 + id)::text::xid8 WHERE id > 2;"
      "INSERT INTO x (note, xid) VALUES ('restored', '4000000000'), ('restored', (SELECT "
      "(pg_current_xact_id()::text::bigint + 2)::text::xid8)), ('old', '3')");
  ledger().psql("UPDATE pgtally.capture SET server = '1/00000001'");
  read();
  EXPECT_EQ(differences("x"), "");
  for (int i = 0; i < 12; ++i) {
    insert("new");
    read();
  }
  EXPECT_EQ(differences("x"), "");
}

TEST_F(RemoteXid, begins_anew_when_the_server_has_gone_back_in_time) {
  create_and_add();
  insert("recorded", 2);
  read();
  ledger().psql("UPDATE pgtally.capture SET since = '900000000:900000000:', server_lsn = '0/0'");
  insert("after a restored backup", 2);
  read();
  insert("later");
  read();
  EXPECT_EQ(differences("x"), "");
}

TEST_F(RemoteXid, says_which_right_is_missing_to_make_its_progress_durable) {
  create_xid_table("x");
  const std::string role = psql("SELECT current_database()") + "_reader";
  psql("CREATE ROLE " + role + " LOGIN; GRANT SELECT ON x TO " + role +
       "; REVOKE EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) FROM PUBLIC");
  const auto as_role = [&](SourceRequest& r) {
    r.mode = "xid";
    r.database += " user=" + role;
  };
  const Error refused = error_of(try_add("x", {"id"}, as_role));
  EXPECT_NE(refused.hint.find("pg_logical_emit_message"), std::string::npos) << refused.message;
  psql("GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) TO " + role);
  add("x", {"id"}, as_role);
  insert("x");
  read();
  EXPECT_EQ(differences("x"), "");
  psql("DROP OWNED BY " + role);
}

// With synchronous_commit off a crash takes back commits, and with them transaction ids: a row with
// an id that had been given out before would seem to be old.
TEST(RemoteXidCrash, of_the_source_loses_no_row_though_its_applications_do_not_wait_for_commits) {
  test::TestCluster cluster({{"synchronous_commit", "off"}, {"wal_writer_delay", "10s"}});
  const RemoteSourceTest source(cluster);
  source.create_xid_table("x");
  source.add("x", {"id"}, [](SourceRequest& r) { r.mode = "xid"; });
  for (int crash = 0; crash < 3; ++crash) {
    source.psql("INSERT INTO x (note) VALUES ('read'), ('read')");
    source.psql("INSERT INTO x (note) VALUES ('read')");
    source.read();
    source.psql("INSERT INTO x (note) VALUES ('perhaps lost')");
    cluster.stop_immediately();
    cluster.start();
    source.psql("INSERT INTO x (note) VALUES ('after')");
    source.psql("INSERT INTO x (note) VALUES ('after')");
    source.read();
    EXPECT_EQ(source.differences("x"), "") << crash;
  }
}

}  // namespace
}  // namespace pgtally
