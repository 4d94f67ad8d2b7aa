// Adding a source of mode logical, and the rows that its table has at that moment.

#include <thread>

#include "database/capture/logical_test.h"

namespace pgtally {
namespace {

using test::error_of;
using test::LogicalLedger;
using test::must;
using test::Texts;

constexpr const char* kObjects =
    "SELECT (SELECT count(*) FROM pg_replication_slots WHERE database = current_database()), "
    "(SELECT count(*) FROM pg_publication), (SELECT count(*) FROM pg_publication_rel)";

TEST(LogicalLoad, of_a_further_table_on_a_running_slot_meets_the_stream_without_a_gap) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, x int)");
  ledger.add("a", "public.a");
  ledger.psql("INSERT INTO b SELECT g, 0 FROM generate_series(1, 100) AS g");
  (void)must(ledger.step());
  // Writes all the time, in transactions that begin before and end after each step of the adding.
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    auto connection = ledger.connect();
    for (int i = 101; !stop; ++i) {
      const std::string id = std::to_string(i);
      must(connection.execute("BEGIN; INSERT INTO b VALUES (" + id + ", 0)"));
      must(connection.execute("UPDATE b SET x = x + 1 WHERE id % 10 = " + id + " % 10"));
      must(connection.execute("DELETE FROM b WHERE id = " + id + " - 50; COMMIT"));
    }
  });
  for (int i = 0; i < 5; ++i) (void)must(ledger.step());
  ledger.add("b", "public.b");
  for (int i = 0; i < 5; ++i) (void)must(ledger.step());
  stop = true;
  writer.join();
  ledger.psql("INSERT INTO a VALUES (1)");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("a"), Texts{"insert 1"});
  // Each key was inserted once, changed only while it was there, and is there now if it was not
  // deleted.
  EXPECT_EQ(ledger.psql(R"sql(
    WITH e AS (SELECT key, operation, id,
                      lag(operation) OVER (PARTITION BY key ORDER BY id) AS before,
                      lead(operation) OVER (PARTITION BY key ORDER BY id) AS after
                 FROM pgtally.processed_log WHERE operation <= 3
                  AND source_id = (SELECT source_id FROM pgtally.source WHERE name = 'b'))
    SELECT count(*) FILTER (WHERE (before IS NULL) <> (operation = 1) OR before = 3),
           (SELECT count(*) FROM b) - count(*) FILTER (WHERE after IS NULL AND operation <> 3),
           count(*) FILTER (WHERE after IS NULL AND operation <> 3 AND NOT EXISTS (
             SELECT FROM b WHERE id::text = convert_from(substr(key, 3), 'UTF8')))
      FROM e)sql"),
            "0|0|0");
}

TEST(LogicalLoad, that_was_killed_is_completed_by_the_reader_with_every_change_since) {
  LogicalLedger ledger;
  ledger.psql(
      "CREATE TABLE p (id int PRIMARY KEY, x int);"
      "INSERT INTO p SELECT g, 0 FROM generate_series(1, 25000) AS g");
  int asked = 0;
  LogicalAdding adding;
  adding.cancelled = [&] { return false; };
  adding.progress = [&](std::uint64_t rows, std::uint64_t) {
    if (rows > 5000) ++asked;
  };
  adding.cancelled = [&] { return asked > 0; };
  const LogicalAdded added = must(ledger.try_add("p", "public.p", {}, {}, adding));
  EXPECT_NE(added.unfinished, "");
  EXPECT_EQ(ledger.state("p"), "loading");
  ledger.psql("UPDATE p SET x = 1 WHERE id = 1");      // loaded
  ledger.psql("UPDATE p SET x = 1 WHERE id = 24000");  // not yet
  ledger.psql("DELETE FROM p WHERE id IN (2, 24001); INSERT INTO p VALUES (30000, 0)");
  (void)must(ledger.step());
  ledger.forget_readers();
  (void)must(ledger.step());
  ledger.forget_readers();
  ledger.psql("UPDATE p SET x = 2 WHERE id = 1");
  ledger.read_all();
  EXPECT_EQ(ledger.state("p"), "active");
  // 24000 and 24001 were changed before they could be read as they had been.
  EXPECT_EQ(ledger.count("p", 1), "24999");
  EXPECT_EQ(ledger.count("p", 2), "3");
  EXPECT_EQ(ledger.count("p", 3), "2");
  EXPECT_EQ(ledger.psql("SELECT count(*), count(DISTINCT key) FROM pgtally.processed_log "
                        "WHERE operation = 1"),
            "24999|24999");
}

TEST(LogicalLoad, of_a_table_without_a_key_starts_anew_after_a_kill) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE h (x int); INSERT INTO h SELECT 7 FROM generate_series(1, 500)");
  ledger.psql("CREATE TABLE other (id int PRIMARY KEY)");
  ledger.add("other", "public.other");
  LogicalAdding adding;
  int windows = 0;
  adding.progress = [&](std::uint64_t, std::uint64_t) {
    if (++windows == 2) throw std::runtime_error("killed");
  };
  EXPECT_THROW((void)ledger.try_add("h", "public.h", {}, {}, adding), std::runtime_error);
  EXPECT_EQ(ledger.state("h"), "loading");
  ledger.psql("INSERT INTO h VALUES (8); INSERT INTO other VALUES (1)");
  ledger.read_all();
  EXPECT_EQ(ledger.count("h", 1), "501");
  EXPECT_EQ(ledger.count("other", 1), "1");
  EXPECT_EQ(ledger.state("h"), "active");
}

TEST(LogicalLoad, is_left_out_with_existing_skip) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY, x int); INSERT INTO p VALUES (1, 1), (2, 2)");
  ledger.add("p", "public.p", {}, [](SourceRequest& r) { r.skip_existing = true; });
  ledger.psql("INSERT INTO p VALUES (3, 3); UPDATE p SET x = 0 WHERE id = 1");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"), (Texts{"insert 3", "update 1"}));
}

TEST(LogicalLoad, does_not_wait_for_ever_for_writers_and_leaves_nothing_behind) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY)");
  auto writer = ledger.connect();
  must(writer.execute("BEGIN; INSERT INTO p VALUES (1)"));
  LogicalAdding adding;
  adding.slot_timeout = std::chrono::milliseconds(300);
  const Error error = error_of(ledger.try_add("p", "public.p", {}, {}, adding));
  EXPECT_EQ(error.code, ErrorCode::kRetry) << error.message;
  EXPECT_EQ(ledger.psql(kObjects), "0|0|0");
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.source WHERE name = 'p'"), "0");
  must(writer.execute("COMMIT"));
  ledger.add("p", "public.p");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"), Texts{"insert 1"});
}

TEST(LogicalLoad, begins_again_over_what_a_killed_adding_left) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE q (id int PRIMARY KEY)");
  ledger.add("q", "public.q");
  const std::string stem =
      ledger.psql("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()");
  // Published, and then killed: its changes come, and are nobody's.
  ledger.psql("ALTER PUBLICATION " + stem + "_changes ADD TABLE p; INSERT INTO p VALUES (1)");
  ledger.psql("INSERT INTO q VALUES (1)");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("q"), Texts{"insert 1"});
  EXPECT_EQ(ledger.psql(kObjects), "1|2|1");
  ledger.add("p", "public.p");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"), Texts{"insert 1"});
}

TEST(LogicalLoad, leaves_a_name_unused_when_the_table_cannot_be_published) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY, t text)");
  const Error error = error_of(ledger.try_add("p", "public.p"));
  EXPECT_NE(error.hint.find("ALTER TABLE public.p REPLICA IDENTITY FULL"), std::string::npos)
      << error.message << error.hint;
  EXPECT_EQ(ledger.psql(kObjects), "0|0|0");
  ledger.psql("ALTER TABLE p REPLICA IDENTITY FULL");
  ledger.add("p", "public.p");
}

TEST(LogicalLoad, says_how_far_it_has_come) {
  LogicalLedger ledger;
  ledger.psql(
      "CREATE TABLE p (id int PRIMARY KEY);"
      "INSERT INTO p SELECT generate_series(1, 12000); ANALYZE p");
  std::vector<std::uint64_t> done;
  LogicalAdding adding;
  adding.progress = [&](std::uint64_t rows, std::uint64_t total) {
    done.push_back(rows);
    EXPECT_EQ(total, 12000u);
  };
  EXPECT_EQ(must(ledger.try_add("p", "public.p", {}, {}, adding)).existing_rows, 12000u);
  EXPECT_GE(done.size(), 2u);
  EXPECT_EQ(done.back(), 12000u);
}

TEST(LogicalLoad, takes_a_key_of_any_type_and_name_across_windows) {
  LogicalLedger ledger;
  ledger.psql(
      "CREATE TABLE \"Order Lines\" (\"Line No\" numeric, \"it's\" text COLLATE \"C\","
      " x int, PRIMARY KEY (\"it's\", \"Line No\"));"
      "ALTER TABLE \"Order Lines\" REPLICA IDENTITY FULL;"
      "INSERT INTO \"Order Lines\" SELECT g / 7.0, md5(g::text) || E'\\t', g "
      "FROM generate_series(1, 1000) AS g");
  ledger.add("lines", "public.\"Order Lines\"");
  ledger.psql("UPDATE \"Order Lines\" SET x = 0 WHERE x <= 3");
  ledger.read_all();
  EXPECT_EQ(ledger.count("lines", 1), "1000");
  EXPECT_EQ(ledger.count("lines", 2), "3");
  EXPECT_EQ(ledger.psql("SELECT count(DISTINCT key) FROM pgtally.processed_log "
                        "WHERE operation <= 2"),
            "1000");
}

TEST(LogicalRemove, takes_slot_and_publications_away_with_the_last_source) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)");
  ledger.add("a", "public.a");
  ledger.add("b", "public.b");
  const auto remove = [&](const std::string& name) {
    auto connection = ledger.connect();
    const Ledger opened = must(Ledger::open(connection, "pgtally"));
    must(run_script(opened, remove_script(opened, must(find_source(opened, name)))));
    must(tidy_streams(opened));
  };
  remove("a");
  EXPECT_EQ(ledger.psql(kObjects), "1|2|1");
  ledger.psql("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)");
  ledger.read_all();
  EXPECT_EQ(ledger.rows(), Texts{"b 1"});
  ledger.forget_readers();
  remove("b");
  EXPECT_EQ(ledger.psql(kObjects), "0|0|0");
  ledger.add("c", "public.a");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("c"), Texts{"insert 1"});
}

TEST(LogicalRemove, is_completed_by_a_reader_that_holds_the_slot) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY)");
  ledger.add("a", "public.a");
  (void)must(ledger.step());
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  must(run_script(opened, remove_script(opened, must(find_source(opened, "a")))));
  EXPECT_FALSE(tidy_streams(opened).ok());
  for (int i = 0; i < 50 && ledger.psql(kObjects) != "0|0|0"; ++i) (void)ledger.step();
  EXPECT_EQ(ledger.psql(kObjects), "0|0|0");
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.stream"), "0");
}

}  // namespace
}  // namespace pgtally
