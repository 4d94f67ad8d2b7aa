#include "capture/remote_poll.h"

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

class RemotePoll : public testing::Test, public RemoteSourceTest {
 protected:
  void create(const std::string& columns = "note text") const {
    psql("CREATE TABLE p (id bigserial PRIMARY KEY, " + columns + ")");
  }
  [[nodiscard]] std::string holes() const {
    return ledger().psql("SELECT count(*) FROM pgtally.hole");
  }
};

TEST_F(RemotePoll, records_what_is_there_and_what_comes_later_once) {
  create();
  psql("INSERT INTO p (note) SELECT 'x' FROM generate_series(1, 25000)");
  add("p", {"id"});
  read();
  EXPECT_EQ(keys_of("p").size(), 25000);
  psql("INSERT INTO p (note) VALUES ('y'), ('z')");
  read();
  read();
  EXPECT_EQ(differences("p"), "");
  EXPECT_EQ(keys_of("p").back(), "25002");
  EXPECT_EQ(ledger().gaps(), "");
}

TEST_F(RemotePoll, hashes_rows_as_a_source_of_the_ledgers_own_database_does) {
  const std::string create_table =
      "CREATE TABLE p (id bigint PRIMARY KEY, n numeric, at timestamptz, d date, b bytea, a "
      "text[], "
      "\"Ü\" text, f float8, i interval);";
  const std::string rows =
      "INSERT INTO p VALUES (1, 1.50, '2024-02-29 12:00+05', '0001-01-01 BC', '\\x5c00', "
      "'{a,NULL,\"b c\"}', E'tab\\t\\\\N\\nline', 'NaN', '1 mon'), (2, NULL, 'infinity', "
      "'5874897-12-31', '', '{}', '', 0.1, NULL)";
  const auto time = [](SourceRequest& r) { r.time = "at", r.blind = false, r.mode = "poll"; };
  for (const test::Server* server : {&there(), static_cast<const test::Server*>(&ledger())}) {
    server->psql("SET timezone = 'Asia/Kolkata'; SET search_path = public; " + create_table + rows);
  }
  add("p", {"id"}, time);
  ledger().add_source("own", "public.p", {"id"}, time);
  read();
  const auto entries = [&](const std::string& name) {
    return ledger().psql(
        "SELECT encode(key, 'hex'), source_time, source_position, encode(content_hash, 'hex') FROM "
        "pgtally.processed_log JOIN pgtally.source USING (source_id) WHERE operation = 1 AND name "
        "= '" +
        name + "' ORDER BY ordinal");
  };
  EXPECT_EQ(test::lines(entries("p")).size(), 2);
  EXPECT_EQ(entries("p"), entries("own"));
}

TEST_F(RemotePoll, waits_for_a_transaction_that_took_its_key_before_others_committed) {
  create();
  add("p", {"id"});
  auto slow = connect(there().conninfo());
  must(slow.execute("BEGIN; INSERT INTO p (note) VALUES ('slow')"));
  psql("INSERT INTO p (note) VALUES ('fast')");
  read();
  read();
  EXPECT_EQ(keys_of("p"), (Keys{"2"}));
  must(slow.execute("COMMIT"));
  read();
  EXPECT_EQ(keys_of("p"), (Keys{"2", "1"}));
  EXPECT_EQ(holes(), "0");
}

TEST_F(RemotePoll, waits_for_a_key_that_was_taken_without_a_transaction_id) {
  create();
  add("p", {"id"});
  auto slow = connect(there().conninfo());
  must(slow.execute("BEGIN"));
  must(slow.query("SELECT nextval('p_id_seq')"));
  psql("INSERT INTO p (note) VALUES ('fast')");
  for (int i = 0; i < 3; ++i) read();
  must(slow.execute("INSERT INTO p VALUES (1, 'slow'); COMMIT"));
  read();
  EXPECT_EQ(differences("p"), "");
}

TEST_F(RemotePoll, waits_for_a_prepared_transaction) {
  create();
  add("p", {"id"});
  psql("BEGIN; INSERT INTO p (note) VALUES ('slow'); PREPARE TRANSACTION '" +
       psql("SELECT current_database()") + "'");
  psql("INSERT INTO p (note) VALUES ('fast')");
  for (int i = 0; i < 3; ++i) read();
  psql("COMMIT PREPARED '" + psql("SELECT current_database()") + "'");
  read();
  EXPECT_EQ(differences("p"), "");
}

TEST_F(RemotePoll, waits_for_a_transaction_that_is_prepared_after_its_hole_was_seen) {
  create();
  add("p", {"id"});
  auto slow = connect(there().conninfo());
  must(slow.execute("BEGIN; INSERT INTO p (note) VALUES ('slow')"));
  psql("INSERT INTO p (note) VALUES ('fast')");
  read();
  const std::string name = psql("SELECT current_database()");
  must(slow.execute("PREPARE TRANSACTION '" + name + "'"));
  for (int i = 0; i < 3; ++i) read();
  psql("COMMIT PREPARED '" + name + "'");
  read();
  EXPECT_EQ(differences("p"), "");
}

TEST_F(RemotePoll, gives_up_holes_once_all_that_could_fill_them_have_ended) {
  create();
  add("p", {"id"});
  psql("BEGIN; INSERT INTO p (note) VALUES ('gone'); ROLLBACK; INSERT INTO p (note) VALUES ('x')");
  read();
  read();
  EXPECT_EQ(holes(), "0");
  EXPECT_EQ(ledger().psql("SELECT count(*) FROM pgtally.barrier"), "0");
  EXPECT_EQ(keys_of("p"), (Keys{"2"}));
}

TEST_F(RemotePoll, does_not_give_up_the_holes_of_a_standby_or_of_another_servers_transactions) {
  create();
  add("p", {"id"});
  auto slow = connect(there().conninfo());
  must(slow.execute("BEGIN; INSERT INTO p (note) VALUES ('slow')"));
  psql("INSERT INTO p (note) VALUES ('fast')");
  read();
  // As if they had been seen on another server, where nothing of what runs here was running.
  ledger().psql("UPDATE pgtally.barrier SET server = 'another/standby', running = '{unknown}'");
  for (int i = 0; i < 3; ++i) read();
  EXPECT_EQ(holes(), "1");
  must(slow.execute("COMMIT"));
  read();
  EXPECT_EQ(differences("p"), "");
}

TEST_F(RemotePoll, leaves_keys_that_were_used_late_to_a_sweep) {
  create();
  add("p", {"id"});
  psql("INSERT INTO p VALUES (10, 'a'), (20, 'b')");
  read();
  read();
  EXPECT_EQ(holes(), "0");
  psql("INSERT INTO p VALUES (15, 'late')");
  read();
  EXPECT_EQ(differences("p"), "missed 15; ");
  sweep("p");
  sweep("p");
  EXPECT_EQ(differences("p"), "");
}

TEST_F(RemotePoll, sweeps_leave_alone_what_is_still_waited_for) {
  create();
  add("p", {"id"});
  auto slow = connect(there().conninfo());
  must(slow.execute("BEGIN; INSERT INTO p (note) VALUES ('slow')"));
  psql("INSERT INTO p (note) VALUES ('fast')");
  read();
  must(slow.execute("COMMIT"));
  psql("INSERT INTO p (note) VALUES ('above')");
  sweep("p");
  EXPECT_EQ(keys_of("p"), (Keys{"2"}));
  read();
  EXPECT_EQ(differences("p"), "");
}

TEST_F(RemotePoll, finds_rows_without_an_integer_key_by_sweeps) {
  psql("CREATE TABLE p (a text, id uuid DEFAULT gen_random_uuid() UNIQUE NOT NULL)");
  psql("INSERT INTO p SELECT 'x' FROM generate_series(1, 12000)");
  add("p", {"id"}, [](SourceRequest& r) { r.mode = "poll"; });
  read();
  EXPECT_EQ(differences("p"), "");
  psql("INSERT INTO p VALUES ('y')");
  read();
  EXPECT_EQ(keys_of("p").size(), 12001);
  EXPECT_EQ(differences("p"), "");
}

TEST_F(RemotePoll, skips_what_is_there_but_not_what_is_under_way) {
  create();
  psql("INSERT INTO p (note) SELECT 'old' FROM generate_series(1, 100)");
  auto slow = connect(there().conninfo());
  must(slow.execute("BEGIN; INSERT INTO p (note) VALUES ('slow')"));
  psql("INSERT INTO p (note) VALUES ('old')");
  add("p", {"id"}, [](SourceRequest& r) { r.mode = "poll", r.skip_existing = true; });
  must(slow.execute("COMMIT"));
  psql("INSERT INTO p (note) VALUES ('new')");
  read();
  sweep("p");
  EXPECT_EQ(keys_of("p"), (Keys{"101", "103"}));
}

TEST_F(RemotePoll, takes_the_lowest_and_the_highest_key) {
  create();
  add("p", {"id"});
  psql("INSERT INTO p VALUES (-9223372036854775808), (0), (9223372036854775807)");
  read();
  psql("INSERT INTO p VALUES (-9223372036854775807)");
  sweep("p");
  EXPECT_EQ(differences("p"), "");
}

TEST_F(RemotePoll, that_another_reader_has_overtaken_stages_nothing) {
  create();
  add("p", {"id"});
  auto one = ledger().connect();
  auto other = ledger().connect();
  const Ledger first = must(Ledger::open(one, "pgtally"));
  const Ledger second = must(Ledger::open(other, "pgtally"));
  const Readers readers = must(make_readers(first));
  const Readers rivals = must(make_readers(second));
  std::jthread rival([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) (void)rivals[0]->step(second, std::chrono::milliseconds(0));
  });
  for (int i = 0; i < 200; ++i) {
    psql("INSERT INTO p (note) VALUES ('x')");
    must(readers[0]->step(first, std::chrono::milliseconds(0)));
  }
  rival.request_stop();
  rival.join();
  read();
  EXPECT_EQ(differences("p"), "");
}

TEST_F(RemotePoll, misses_and_doubles_nothing_of_concurrent_writers) {
  create();
  add("p", {"id"});
  std::atomic<int> running = 4;
  std::vector<std::jthread> writers;
  for (unsigned w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937 random(w);
      auto connection = connect(there().conninfo());
      for (int i = 0; i < 120; ++i) {
        std::string sql = "BEGIN; INSERT INTO p (note) VALUES ('a'), ('b');";
        if (random() % 3 == 0)
          sql += "SAVEPOINT s; INSERT INTO p (note) VALUES ('gone'); ROLLBACK TO s;";
        if (random() % 5 == 0) sql += "SELECT pg_sleep(0.02);";
        sql += "INSERT INTO p (note) VALUES ('c');";
        must(connection.execute(sql + (random() % 4 == 0 ? "ROLLBACK" : "COMMIT")));
      }
      --running;
    });
  }
  while (running > 0) {
    must(try_step());  // a reader of its own each time
    ledger().drain();
  }
  for (std::jthread& writer : writers) writer.join();
  for (int i = 0; i < 3; ++i) read();
  EXPECT_EQ(differences("p"), "");
  EXPECT_EQ(ledger().gaps(), "");
  EXPECT_EQ(holes(), "0");
}

TEST_F(RemotePoll, goes_on_where_it_was_after_the_other_database_was_away) {
  create();
  const std::string name = psql("SELECT current_database()");
  add("p", {"id"});
  psql("INSERT INTO p (note) VALUES ('x')");
  read();
  ledger().psql("ALTER DATABASE " + name + " ALLOW_CONNECTIONS false");
  const Error away = error_of(try_step());
  EXPECT_NE(away.message.find(name), std::string::npos) << away.message;
  ledger().psql("ALTER DATABASE " + name + " ALLOW_CONNECTIONS true");
  psql("INSERT INTO p (note) VALUES ('y')");
  read();
  EXPECT_EQ(differences("p"), "");
}

TEST_F(RemotePoll, survives_that_its_session_is_ended_between_two_steps) {
  create();
  add("p", {"id"});
  auto connection = ledger().connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  const Readers readers = must(make_readers(opened));
  must(readers[0]->step(opened, std::chrono::milliseconds(0)));
  psql("INSERT INTO p (note) VALUES ('x')");
  psql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
      "AND pid <> pg_backend_pid()");
  EXPECT_EQ(error_of(readers[0]->step(opened, std::chrono::milliseconds(0))).code,
            ErrorCode::kRetry);
  EXPECT_EQ(must(readers[0]->step(opened, std::chrono::milliseconds(0))).staged, 1);
}

// Its rows were taken from the lowest key on, so that no sweep was ever needed before.
TEST_F(RemotePoll, is_swept_for_late_keys_though_it_never_was_before) {
  create();
  add("p", {"id"});
  psql("INSERT INTO p (id, note) VALUES (1, 'x'), (5, 'y')");
  for (int i = 0; i < 3; ++i) read();
  EXPECT_EQ(holes(), "0");
  psql("INSERT INTO p (id, note) VALUES (3, 'late')");
  auto connection = ledger().connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  const Readers soon = must(make_readers(opened, {.late = std::chrono::seconds(3600)}));
  must(soon[0]->step(opened, std::chrono::milliseconds(0)));
  EXPECT_NE(differences("p"), "");
  ledger().psql(
      "UPDATE pgtally.source SET created_at = created_at - interval '1 h' WHERE name = 'p'");
  const Readers later = must(make_readers(opened, {.late = std::chrono::seconds(3600)}));
  for (int i = 0; i < 3; ++i) must(later[0]->step(opened, std::chrono::milliseconds(0)));
  ledger().drain();
  EXPECT_EQ(differences("p"), "");
}

TEST_F(RemotePoll, goes_on_after_a_right_was_revoked_and_a_column_gone) {
  create();
  const std::string role = psql("SELECT current_database()") + "_reader";
  psql("CREATE ROLE " + role + " LOGIN; GRANT SELECT ON p TO " + role);
  add("p", {"id"}, [&](SourceRequest& r) { r.database += " user=" + role; });
  psql("INSERT INTO p (note) VALUES ('x')");
  read();
  EXPECT_EQ(keys_of("p"), (Keys{"1"}));
  psql("REVOKE SELECT ON p FROM " + role + "; INSERT INTO p (note) VALUES ('y')");
  EXPECT_NE(error_of(try_step()).message.find("permission denied"), std::string::npos);
  psql("GRANT SELECT ON p TO " + role + "; ALTER TABLE p RENAME note TO remark");
  EXPECT_NE(error_of(try_step()).message.find("\"note\""), std::string::npos);
  psql("ALTER TABLE p RENAME remark TO note");
  read();
  EXPECT_EQ(differences("p"), "");
  psql("DROP OWNED BY " + role);
}

TEST_F(RemotePoll, refuses_a_table_whose_rows_a_policy_hides) {
  create();
  const std::string role = psql("SELECT current_database()") + "_reader";
  psql("CREATE ROLE " + role + " LOGIN; GRANT SELECT ON p TO " + role);
  add("p", {"id"}, [&](SourceRequest& r) { r.database += " user=" + role; });
  psql("ALTER TABLE p ENABLE ROW LEVEL SECURITY; INSERT INTO p (note) VALUES ('x')");
  EXPECT_NE(error_of(try_step()).message.find("row"), std::string::npos);
  psql("DROP OWNED BY " + role);
}

TEST_F(RemotePoll, begins_a_sweep_when_it_finds_another_cluster) {
  create();
  add("p", {"id"});
  psql("INSERT INTO p VALUES (5, 'a'), (10, 'b')");
  for (int i = 0; i < 2; ++i) read();
  psql("INSERT INTO p VALUES (7, 'from before a failover')");
  read();
  EXPECT_EQ(differences("p"), "missed 7; ");
  ledger().psql("UPDATE pgtally.capture SET server = '1/00000001'");
  read();
  EXPECT_EQ(differences("p"), "");
}

// With synchronous_commit off a crash takes back commits, which would then be in the log alone.
TEST(RemotePollCrash, of_the_source_leaves_nothing_in_the_log_that_its_table_has_lost) {
  test::TestCluster cluster({{"synchronous_commit", "off"}, {"wal_writer_delay", "10s"}});
  const RemoteSourceTest source(cluster);
  source.psql("CREATE TABLE p (id bigserial PRIMARY KEY, note text)");
  source.add("p", {"id"});
  source.psql("INSERT INTO p (note) VALUES ('read'), ('read')");
  source.read();
  source.psql("INSERT INTO p (note) VALUES ('perhaps lost')");
  cluster.stop_immediately();
  cluster.start();
  source.psql("INSERT INTO p (note) VALUES ('after')");
  source.read();
  EXPECT_EQ(source.differences("p"), "");
}

}  // namespace
}  // namespace pgtally
