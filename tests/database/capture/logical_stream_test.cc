// What a stream of changes brings into the log.

#include "database/capture/logical_test.h"

namespace pgtally {
namespace {

using test::LogicalLedger;
using test::must;
using test::Texts;

TEST(Logical, records_existing_rows_and_then_each_change_in_commit_order) {
  LogicalLedger ledger;
  ledger.psql(
      "CREATE TABLE p (id int PRIMARY KEY, x int);"
      "INSERT INTO p VALUES (1, 1), (2, 2)");
  ledger.add("p", "public.p");
  ledger.psql("INSERT INTO p VALUES (3, 3)");
  ledger.psql("UPDATE p SET x = 9 WHERE id = 1; DELETE FROM p WHERE id = 2");
  ledger.psql("UPDATE p SET id = 30 WHERE id = 3");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"), (Texts{"insert 1", "insert 2", "insert 3", "update 1", "delete 2",
                                        "delete 3", "insert 30"}));
  ledger.psql("TRUNCATE p");
  ledger.psql("INSERT INTO p VALUES (1, 1)");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p").size(), 9u);
  EXPECT_EQ(ledger.entries("p")[7], "truncate");
  EXPECT_EQ(ledger.gaps(), "");
}

TEST(Logical, puts_the_sources_of_a_database_in_the_order_of_their_commits) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)");
  ledger.add("b", "public.b");
  ledger.add("a", "public.a");
  auto late = ledger.connect();
  must(late.execute("BEGIN; INSERT INTO a VALUES (1)"));
  ledger.psql("INSERT INTO b VALUES (1); INSERT INTO a VALUES (2)");
  ledger.psql("INSERT INTO a VALUES (3)");
  must(late.execute("COMMIT"));
  ledger.psql("INSERT INTO b VALUES (2)");
  ledger.read_all();
  EXPECT_EQ(ledger.rows(), (Texts{"b 1", "a 2", "a 3", "a 1", "b 2"}));
}

TEST(Logical, leaves_out_what_was_rolled_back) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY)");
  ledger.add("p", "public.p");
  ledger.psql_error("BEGIN; INSERT INTO p VALUES (1); ROLLBACK");
  ledger.psql(
      "BEGIN; INSERT INTO p VALUES (2); SAVEPOINT s; INSERT INTO p VALUES (3); ROLLBACK TO s;"
      "INSERT INTO p VALUES (4); COMMIT");
  ledger.psql(
      "DO $$ BEGIN INSERT INTO p VALUES (5); BEGIN INSERT INTO p VALUES (6), (2);"
      "EXCEPTION WHEN unique_violation THEN NULL; END; END $$");
  ledger.read_all();
  EXPECT_EQ(ledger.keys_of("p"), (Texts{"2", "4", "5"}));
}

TEST(Logical, records_the_place_and_time_of_the_commit) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY)");
  ledger.add("p", "public.p");
  ledger.psql("INSERT INTO p VALUES (1), (2)");
  ledger.read_all();
  EXPECT_EQ(ledger.psql("SELECT count(DISTINCT split_part(source_position, '/', 2)), "
                        "string_agg(split_part(source_position, '/', 3), ' ' ORDER BY id), "
                        "bool_and(source_time BETWEEN now() - interval '1 minute' AND now()) "
                        "FROM pgtally.processed_log WHERE operation = 1"),
            "1|0 1|t");
}

TEST(Logical, takes_the_time_from_the_column_that_the_source_names) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY, at timestamptz)");
  ledger.psql("INSERT INTO p VALUES (1, '2020-01-01Z')");
  ledger.add("p", "public.p", {}, [](SourceRequest& r) { r.time = "at"; });
  ledger.psql("INSERT INTO p VALUES (2, '2021-01-01Z'), (3, NULL)");
  ledger.read_all();
  EXPECT_EQ(ledger.psql("SELECT string_agg(coalesce(date_part('year', source_time)::text, '-'), "
                        "' ' ORDER BY id) FROM pgtally.processed_log WHERE operation = 1"),
            "2020 2021 -");
}

// The same rows by SQL (mode poll), from a snapshot, and from the stream.
TEST(Logical, hashes_a_row_as_the_other_modes_do) {
  LogicalLedger ledger;
  const std::string columns =
      "id int PRIMARY KEY, b bool, t text, n numeric, f float8, d date, at timestamptz, i "
      "interval, "
      "y bytea, j jsonb, u uuid, c char(9), a text[], net inet, r int4range, m money";
  const auto values = [](int id) {
    return "(" + std::to_string(id) +
           ", true, 'grüße''\\', 1.50, 0.1, '2020-02-29', '2020-01-01 12:00+05', '1 day -2:03', "
           "'\\x00ff', '{\"b\": 1, \"a\": [null]}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'ab', "
           "'{\"x y\", NULL}', '10.0.0.1', '[1,5)', 12.5)";
  };
  ledger.psql("CREATE TABLE p (" + columns + "); ALTER TABLE p REPLICA IDENTITY FULL");
  ledger.psql("INSERT INTO p VALUES " + values(1));
  const auto open = [](SourceRequest& r) { r.blind = false; };
  ledger.add("p", "public.p", {}, open);
  ledger.add_source("q", "public.p", {"id"}, [&](SourceRequest& r) {
    open(r);
    r.mode = "poll";
  });
  ledger.psql("INSERT INTO p VALUES " + values(2) + "; INSERT INTO p (id) VALUES (3)");
  ledger.read_all();
  EXPECT_EQ(ledger.psql("SELECT count(*), count(DISTINCT (key, content_hash)) "
                        "FROM pgtally.processed_log WHERE operation = 1"),
            "6|3");
  // Of a deleted row, where all of it is in the stream.
  ledger.psql("DELETE FROM p WHERE id = 2");
  ledger.read_all();
  EXPECT_EQ(ledger.psql("SELECT count(DISTINCT content_hash) FROM pgtally.processed_log "
                        "WHERE convert_from(substr(key, 3), 'UTF8') = '2'"),
            "1");
}

TEST(Logical, gives_a_delete_no_content_where_the_stream_brings_only_the_key) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY, x int)");
  ledger.add("p", "public.p");
  ledger.psql("INSERT INTO p VALUES (1, 1); DELETE FROM p");
  ledger.read_all();
  EXPECT_EQ(ledger.psql("SELECT content_hash = decode(repeat('00', 32), 'hex') "
                        "FROM pgtally.processed_log WHERE operation = 3"),
            "t");
}

TEST(Logical, takes_a_table_without_a_key_and_never_hinders_its_updates) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE h (tid int, delta int); INSERT INTO h VALUES (1, 1), (1, 1)");
  ledger.add("h", "public.h");
  ledger.psql("INSERT INTO h VALUES (1, 1); UPDATE h SET delta = 2; DELETE FROM h");
  ledger.psql("INSERT INTO h SELECT 2, g FROM generate_series(1, 5) AS g");
  ledger.read_all();
  EXPECT_EQ(ledger.count("h", 1), "8");
  EXPECT_EQ(ledger.entries("h").size(), 8u);
  EXPECT_EQ(
      ledger.psql("SELECT count(DISTINCT key) FROM pgtally.processed_log WHERE operation = 1"),
      "8");
  EXPECT_NE(ledger.warnings[1].find("updates and deletes are not recorded"), std::string::npos)
      << ledger.warnings[1];
}

TEST(Logical, follows_the_changes_of_a_table_without_a_key_if_all_of_its_rows_come) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE h (x int); ALTER TABLE h REPLICA IDENTITY FULL");
  ledger.add("h", "public.h", {}, [](SourceRequest& r) { r.blind = false; });
  ledger.psql("INSERT INTO h VALUES (1); UPDATE h SET x = 2; DELETE FROM h");
  ledger.read_all();
  EXPECT_EQ(ledger.psql("SELECT string_agg(operation::text, '' ORDER BY id), "
                        "count(DISTINCT key), count(DISTINCT content_hash) "
                        "FROM pgtally.processed_log WHERE operation < 4"),
            "123|3|2");
}

TEST(Logical, takes_a_partitioned_table_through_its_root) {
  LogicalLedger ledger;
  ledger.psql(
      "CREATE TABLE p (id int PRIMARY KEY, x int) PARTITION BY RANGE (id);"
      "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);"
      "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);"
      "INSERT INTO p VALUES (1, 1), (11, 1)");
  ledger.add("p", "public.p");
  ledger.psql("INSERT INTO p1 VALUES (2, 2); UPDATE p SET id = 12 WHERE id = 2");
  ledger.psql("CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (20) TO (30)");
  ledger.psql("INSERT INTO p VALUES (21, 1); TRUNCATE p3");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"),
            (Texts{"insert 1", "insert 11", "insert 2", "delete 2", "insert 12", "insert 21"}));
  const auto leaf = ledger.try_add("p1", "public.p1");
  EXPECT_NE(test::error_of(leaf).message.find("partition"), std::string::npos);
}

TEST(Logical, brings_a_change_once_wherever_the_reader_is_killed) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY, x int)");
  ledger.add("p", "public.p");
  ledger.psql("INSERT INTO p SELECT g, g FROM generate_series(1, 25000) AS g");
  // Until it is in the middle of the large transaction.
  const auto in_the_middle = [&] {
    return ledger.psql("SELECT max(changes) > 0 FROM pgtally.stream_progress") == "t";
  };
  int n = 0;
  for (; n < 100 && !in_the_middle(); ++n) {
    ledger.psql("INSERT INTO p VALUES (" + std::to_string(30000 + n) + ", 0)");
    for (int k = 0; k < 20 && !in_the_middle(); ++k) (void)must(ledger.step());
    ledger.forget_readers();
  }
  ASSERT_TRUE(in_the_middle());
  ledger.psql("UPDATE p SET x = -1 WHERE id <= 12000");
  (void)must(ledger.step());
  ledger.forget_readers();
  ledger.read_all();
  EXPECT_EQ(ledger.count("p", 1), std::to_string(25000 + n));
  EXPECT_EQ(ledger.count("p", 2), "12000");
  EXPECT_EQ(
      ledger.psql("SELECT count(DISTINCT key) FROM pgtally.processed_log WHERE operation = 1"),
      std::to_string(25000 + n));
  EXPECT_EQ(ledger.gaps(), "");
}

TEST(Logical, confirms_to_the_slot_what_is_staged_and_nothing_else) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY)");
  ledger.add("p", "public.p");
  const std::string behind =
      "SELECT bool_and(confirmed_flush_lsn <= (SELECT max(commit_lsn) FROM "
      "pgtally.stream_progress))"
      " FROM pg_replication_slots WHERE database = current_database()";
  for (int i = 0; i < 5; ++i) {
    ledger.psql("INSERT INTO p VALUES (" + std::to_string(i) + ")");
    (void)must(ledger.step());
    EXPECT_EQ(ledger.psql(behind), "t");
  }
  ledger.read_all();
  EXPECT_EQ(ledger.count("p", 1), "5");
}

TEST(Logical, does_not_feed_itself_in_its_own_database) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY)");
  ledger.add("p", "public.p");
  ledger.read_all();
  const std::string progress = ledger.psql("SELECT max(progress_id) FROM pgtally.stream_progress");
  for (int i = 0; i < 20; ++i) (void)must(ledger.step());
  const std::string later = ledger.psql("SELECT max(progress_id) FROM pgtally.stream_progress");
  EXPECT_LE(std::stoi(later) - std::stoi(progress), 1);
}

// While nobody reads, a socket holds some hundred transactions and the server keeps the others. Whoever
// takes what is there for all would rest with thousands left, and be further behind after each rest.
TEST(Logical, is_not_done_before_the_server_says_that_it_is) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY)");
  ledger.add("p", "public.p");
  ledger.read_all();
  must(ledger.step());
  ledger.psql(
      "DO $$ BEGIN FOR i IN 1..5000 LOOP INSERT INTO public.p VALUES (i); COMMIT; END LOOP; END "
      "$$");
  while (must(ledger.step())) {
  }
  EXPECT_EQ(ledger.drain(), 5000);
}

TEST(Logical, leaves_the_slot_to_one_reader_at_a_time) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY)");
  ledger.add("p", "public.p");
  (void)must(ledger.step());
  ledger.psql("INSERT INTO p VALUES (1)");
  auto connection = ledger.connect();
  const Ledger other = must(Ledger::open(connection, "pgtally"));
  const Readers second = must(make_logical_readers(other));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(must(second[0]->step(other, std::chrono::milliseconds(10))).staged, 0u);
  }
  for (int i = 0; i < 20 && ledger.count("p", 1) != "1"; ++i) {
    (void)must(ledger.step());
    ledger.drain();
  }
  EXPECT_EQ(ledger.count("p", 1), "1");
}

// Some minor versions of PostgreSQL 15 fail to decode such a transaction in pieces, and others do not.
TEST(Logical, takes_a_large_transaction_that_alters_its_table_from_any_server) {
  LogicalLedger ledger;
  ledger.psql(
      "CREATE TABLE p (id int8 PRIMARY KEY, body text);"
      "ALTER TABLE p REPLICA IDENTITY FULL");
  ledger.add("p", "public.p");
  ledger.psql("ALTER DATABASE " + ledger.database().name() +
              " SET logical_decoding_work_mem = '64kB'");
  const std::string rows = " FROM generate_series(1, 1500) AS i;";
  ledger.psql("BEGIN; INSERT INTO p SELECT i, repeat('x', 50)" + rows +
              "SAVEPOINT a; ALTER TABLE p ADD gone int; INSERT INTO p SELECT i + 2000, 'g', 7" +
              rows + "ROLLBACK TO a; INSERT INTO p SELECT i + 4000, repeat('y', 50)" + rows +
              "ALTER TABLE p ADD n int; INSERT INTO p SELECT i + 6000, 'n', 6" + rows + "COMMIT");
  bool more = true;
  for (int steps = 0; more && steps < 100; ++steps) {
    const auto stepped = ledger.step();
    if (!stepped.ok()) {
      ASSERT_NE(stepped.error().message.find("could not map filenode"), std::string::npos)
          << stepped.error().message;
    }
    more = !stepped.ok() || *stepped;
  }
  ASSERT_FALSE(more);
  ledger.drain();
  EXPECT_EQ(ledger.count("p", 1), "4500");
  EXPECT_EQ(ledger.state("p"), "active");
}

}  // namespace
}  // namespace pgtally
