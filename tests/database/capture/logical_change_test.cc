// Sources of mode logical whose tables change, and slots that are lost.

#include "database/capture/logical_test.h"
#include "pgtally/definition.h"

namespace pgtally {
namespace {

using test::LogicalLedger;
using test::must;
using test::Texts;

SourceDefinition newest_definition(const LogicalLedger& ledger, const std::string& source) {
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  return must(read_definition(opened, must(find_source(opened, source)).id));
}

// "op key definition" of all entries but the first define.
Texts with_definitions(const LogicalLedger& ledger, const std::string& source) {
  return test::lines(ledger.psql(
      "SELECT operation || ' ' || convert_from(substr(key, 3), 'UTF8') || ' ' || definition "
      "FROM pgtally.processed_log WHERE ordinal > 0 AND source_id = (SELECT source_id FROM "
      "pgtally.source WHERE name = '" +
      source + "') ORDER BY id"));
}

TEST(LogicalSchema, change_is_defined_before_the_rows_that_are_hashed_under_it) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY, x int, y int)");
  ledger.add("p", "public.p", {}, [](SourceRequest& r) { r.exclude = {"y"}; });
  ledger.psql("INSERT INTO p VALUES (1)");
  ledger.psql("ALTER TABLE p ADD z int; INSERT INTO p VALUES (2, 2, 2, 2)");
  ledger.read_all();
  EXPECT_EQ(with_definitions(ledger, "p"), (Texts{"5  1", "1 1 0", "1 2 1"}));
  ASSERT_EQ(newest_definition(ledger, "p").columns.size(), 3u);

  ledger.psql(
      "ALTER TABLE p RENAME x TO renamed; ALTER TABLE p RENAME id TO key; "
      "ALTER TABLE p RENAME y TO out; INSERT INTO p VALUES (3)");
  ledger.read_all();
  const SourceDefinition renamed = newest_definition(ledger, "p");
  EXPECT_EQ(renamed.key, Texts{"key"});
  EXPECT_EQ(renamed.excluded, Texts{"out"});
  EXPECT_EQ(renamed.renamed, (std::vector<RenamedColumn>{{"id", "key"}, {"x", "renamed"}}));

  ledger.psql(
      "ALTER TABLE p ALTER renamed TYPE bigint; ALTER TABLE p DROP z; INSERT INTO p VALUES (4)");
  ledger.psql("ALTER TABLE p RENAME TO q; INSERT INTO q VALUES (5)");
  ledger.read_all();
  const SourceDefinition last = newest_definition(ledger, "p");
  EXPECT_EQ(last.relation, "public.q");
  EXPECT_EQ(last.columns[1].type, "bigint");
  EXPECT_EQ(last.columns.size(), 2u);
  EXPECT_TRUE(last.renamed.empty());
  EXPECT_EQ(ledger.keys_of("p"), (Texts{"1", "2", "3", "4", "5"}));
  EXPECT_EQ(ledger.gaps(), "");
}

TEST(LogicalSchema, change_in_the_middle_of_a_transaction_counts_from_there_on) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY)");
  ledger.add("p", "public.p");
  ledger.psql(
      "BEGIN; INSERT INTO p VALUES (1); ALTER TABLE p ADD x int; INSERT INTO p VALUES (2, 2);"
      "COMMIT");
  ledger.read_all();
  EXPECT_EQ(with_definitions(ledger, "p"), (Texts{"5  1", "1 1 0", "1 2 1"}));
}

TEST(LogicalSchema, change_that_takes_the_key_away_stops_that_source_alone_until_it_is_back) {
  LogicalLedger ledger;
  ledger.psql(
      "CREATE TABLE p (id int PRIMARY KEY, x int); CREATE TABLE other (id int PRIMARY KEY)");
  ledger.add("p", "public.p");
  ledger.add("other", "public.other");
  ledger.psql("INSERT INTO p VALUES (1, 1), (2, 2), (3, 3)");
  ledger.psql(
      "ALTER TABLE p DROP id; ALTER TABLE p REPLICA IDENTITY FULL;"
      "INSERT INTO p VALUES (4); INSERT INTO other VALUES (1)");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("other"), Texts{"insert 1"});
  EXPECT_EQ(ledger.state("p"), "failing");
  EXPECT_NE(ledger.psql("SELECT message FROM pgtally.failure").find("key column \"id\""),
            std::string::npos);
  ledger.psql(
      "ALTER TABLE p ADD id int; UPDATE p SET id = x + 1; DELETE FROM p WHERE id = 3;"
      "ALTER TABLE p ADD PRIMARY KEY (id); UPDATE pgtally.failure SET retry_at = now()");
  ledger.psql("INSERT INTO other VALUES (2)");
  ledger.read_all();
  EXPECT_EQ(ledger.state("p"), "active");
  // What became of it meanwhile, by comparing: 1 is gone, 2 is changed, 4 and 5 are new.
  ledger.psql("INSERT INTO p (id) VALUES (9)");
  ledger.read_all();
  Texts entries = ledger.entries("p");
  std::sort(entries.begin() + 3, entries.end());
  EXPECT_EQ(entries, (Texts{"insert 1", "insert 2", "insert 3", "delete 1", "delete 3", "insert 4",
                            "insert 5", "insert 9", "update 2"}));
  EXPECT_EQ(ledger.entries("other"), (Texts{"insert 1", "insert 2"}));
}

TEST(LogicalSchema, change_of_a_table_that_is_dropped_is_no_matter_to_others) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)");
  ledger.add("p", "public.p");
  ledger.add("other", "public.other");
  ledger.psql("INSERT INTO p VALUES (1); DROP TABLE p; INSERT INTO other VALUES (1)");
  ledger.read_all();
  ledger.psql("INSERT INTO other VALUES (2)");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("other"), (Texts{"insert 1", "insert 2"}));
  EXPECT_EQ(ledger.entries("p"), Texts{"insert 1"});
  EXPECT_EQ(ledger.state("p"), "failing");
}

TEST(LogicalToast, that_does_not_come_breaks_the_source_until_its_identity_is_full) {
  LogicalLedger ledger;
  const std::string large = "(SELECT string_agg(md5(g::text), '') FROM generate_series(1, 500) g)";
  ledger.psql(
      "CREATE TABLE p (id int PRIMARY KEY, x int, t text);"
      "ALTER TABLE p REPLICA IDENTITY FULL");
  ledger.add("p", "public.p", {}, [](SourceRequest& r) { r.blind = false; });
  ledger.psql("INSERT INTO p VALUES (1, 1, " + large + "); UPDATE p SET x = 2");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"), (Texts{"insert 1", "update 1"}));
  ledger.psql("ALTER TABLE p REPLICA IDENTITY DEFAULT; UPDATE p SET x = 3");
  ledger.read_all();
  EXPECT_EQ(ledger.state("p"), "failing");
  EXPECT_NE(ledger.psql("SELECT hint FROM pgtally.failure").find("REPLICA IDENTITY FULL"),
            std::string::npos);
  ledger.psql("ALTER TABLE p REPLICA IDENTITY FULL; UPDATE pgtally.failure SET retry_at = now()");
  ledger.read_all();
  EXPECT_EQ(ledger.state("p"), "active");
  EXPECT_EQ(ledger.entries("p"), (Texts{"insert 1", "update 1", "update 1"}));
  ledger.psql("CREATE TABLE same AS SELECT * FROM p; ALTER TABLE same ADD PRIMARY KEY (id)");
  ledger.add_source("same", "public.same", {"id"}, [](SourceRequest& r) {
    r.blind = false;
    r.mode = "poll";
  });
  ledger.drain();
  EXPECT_EQ(ledger.psql("SELECT count(DISTINCT content_hash) FROM pgtally.processed_log "
                        "WHERE operation IN (1, 2)"),
            "3");
}

// Rows 1 to 5 are recorded; then 2 is changed, 3 deleted, 6 added, which nobody hears of.
class LostSlot : public testing::Test {
 protected:
  LostSlot() {
    ledger.psql("CREATE TABLE p (id int PRIMARY KEY, x int)");
    ledger.add("p", "public.p");
    ledger.psql("INSERT INTO p SELECT g, g FROM generate_series(1, 5) AS g");
    ledger.read_all();
    ledger.forget_readers();
    slot = ledger.psql("SELECT slot FROM pgtally.stream");
  }
  void change() {
    ledger.psql(
        "UPDATE p SET x = 0 WHERE id = 2; DELETE FROM p WHERE id = 3;"
        "INSERT INTO p VALUES (6, 6)");
  }
  void expect_resynchronised() {
    ledger.read_all();
    Texts entries = ledger.entries("p");
    EXPECT_EQ(entries, (Texts{"insert 1", "insert 2", "insert 3", "insert 4", "insert 5",
                              "update 2", "insert 6", "delete 3"}));
    EXPECT_EQ(ledger.psql("SELECT convert_from(data, 'UTF8')::json ->> 'event' FROM "
                          "pgtally.processed_log WHERE operation = 6"),
              "resynchronised");
    EXPECT_FALSE(ledger.remarks.empty());
    EXPECT_EQ(ledger.state("p"), "active") << ledger.psql("SELECT message FROM pgtally.failure");
    ledger.psql("INSERT INTO p VALUES (7, 7)");
    ledger.read_all();
    EXPECT_EQ(ledger.entries("p").back(), "insert 7");
    EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.processed_log WHERE operation = 6"), "1");
    EXPECT_EQ(ledger.gaps(), "");
  }
  LogicalLedger ledger;
  std::string slot;
};

TEST_F(LostSlot, that_was_dropped_is_made_anew_and_the_table_compared) {
  ledger.psql("SELECT pg_drop_replication_slot('" + slot + "')");
  change();
  expect_resynchronised();
}

TEST_F(LostSlot, that_somebody_moved_on_is_noticed) {
  change();
  ledger.psql("SELECT pg_replication_slot_advance('" + slot + "', pg_current_wal_lsn())");
  expect_resynchronised();
}

TEST_F(LostSlot, that_stands_behind_what_the_ledger_has_read_is_noticed) {
  ledger.psql(
      "INSERT INTO pgtally.stream_progress (stream_id, commit_lsn) "
      "SELECT stream_id, 'FFFF/0' FROM pgtally.stream");
  change();
  expect_resynchronised();
}

TEST_F(LostSlot, of_another_cluster_is_noticed) {
  change();
  ledger.psql("UPDATE pgtally.stream SET system_identifier = '1'");
  expect_resynchronised();
}

TEST_F(LostSlot, whose_publication_was_dropped_is_noticed) {
  ledger.psql("DROP PUBLICATION " + slot + "_changes");
  change();
  expect_resynchronised();
}

TEST_F(LostSlot, is_resynchronised_to_the_end_after_a_kill) {
  ledger.psql("SELECT pg_drop_replication_slot('" + slot + "')");
  change();
  for (int i = 0; i < 4; ++i) {
    (void)must(ledger.step());
    ledger.forget_readers();
  }
  expect_resynchronised();
}

TEST(LogicalPublication, that_lost_a_table_is_mended_by_comparing) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY)");
  ledger.add("p", "public.p");
  ledger.psql("INSERT INTO p VALUES (1)");
  ledger.read_all();
  ledger.forget_readers();
  const std::string name = ledger.psql("SELECT publication FROM pgtally.stream");
  ledger.psql("ALTER PUBLICATION " + name + " DROP TABLE p; INSERT INTO p VALUES (2)");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"), (Texts{"insert 1", "insert 2"}));
}

TEST(LogicalPause, compares_the_table_when_it_is_resumed) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY, x int); CREATE TABLE o (id int PRIMARY KEY)");
  ledger.add("p", "public.p");
  ledger.add("o", "public.o");
  const auto pause = [&](bool paused) {
    auto connection = ledger.connect();
    const Ledger opened = must(Ledger::open(connection, "pgtally"));
    must(run_script(opened, pause_script(opened, must(find_source(opened, "p")), paused)));
  };
  ledger.psql("INSERT INTO p VALUES (1, 1), (2, 2)");
  ledger.read_all();
  pause(true);
  ledger.psql("INSERT INTO p VALUES (3, 3); DELETE FROM p WHERE id = 1; INSERT INTO o VALUES (1)");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"), (Texts{"insert 1", "insert 2"}));
  EXPECT_EQ(ledger.entries("o"), Texts{"insert 1"});
  pause(false);
  ledger.psql("UPDATE p SET x = 0 WHERE id = 2");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"),
            (Texts{"insert 1", "insert 2", "update 2", "insert 3", "delete 1"}));
  ledger.psql("INSERT INTO p VALUES (4, 4)");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p").back(), "insert 4");
  EXPECT_EQ(ledger.psql("SELECT string_agg(convert_from(data, 'UTF8')::json ->> 'event', ' ' ORDER "
                        "BY id) FROM pgtally.processed_log WHERE operation = 6"),
            "paused resumed");
}

TEST(LogicalSweep, finds_nothing_where_the_stream_has_brought_everything) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY, x int); INSERT INTO p VALUES (1, 1)");
  ledger.add("p", "public.p");
  ledger.psql(
      "INSERT INTO p SELECT g, g FROM generate_series(2, 500) AS g; UPDATE p SET x = 0;"
      "DELETE FROM p WHERE id > 400");
  const auto sweep = [&] {
    auto connection = ledger.connect();
    const Ledger opened = must(Ledger::open(connection, "pgtally"));
    must(request_comparison(opened, must(find_source(opened, "p")).id));
    ledger.read_all();
  };
  ledger.psql("UPDATE p SET x = 1 WHERE id <= 10");
  sweep();
  EXPECT_EQ(ledger.entries("p").size(), 500u + 500u + 100u + 10u);
  EXPECT_EQ(ledger.state("p"), "active");
}

TEST(LogicalCheck, says_that_a_publication_sends_a_part_of_the_table) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY, x int)");
  ledger.add("p", "public.p");
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  const std::string name = ledger.psql("SELECT publication FROM pgtally.stream");
  for (const char* part :
       {"SET TABLE p (id)", "SET TABLE p WHERE (id > 7)", "SET (publish = 'insert, truncate')"}) {
    ledger.psql("ALTER PUBLICATION " + name + " " + part);
    const auto problems = must(check_logical_source(opened, must(find_source(opened, "p")).id));
    ASSERT_EQ(problems.size(), 1u) << part;
    EXPECT_NE(problems[0].find("sends some of its"), std::string::npos) << problems[0];
    ledger.psql("INSERT INTO p VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET x = p.x + 1");
    ledger.read_all();
    EXPECT_TRUE(must(check_logical_source(opened, must(find_source(opened, "p")).id)).empty());
  }
  EXPECT_EQ(ledger.count("p", 1), "1");
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.processed_log WHERE operation = 6"), "3");
}

TEST(LogicalCheck, says_what_stands_in_the_way) {
  LogicalLedger ledger;
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY, x int)");
  ledger.add("p", "public.p");
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  const auto problems = [&] {
    std::string all;
    for (const auto& problem :
         must(check_logical_source(opened, must(find_source(opened, "p")).id)))
      all += problem + "\n";
    return all;
  };
  EXPECT_EQ(problems(), "");
  ledger.psql("ALTER TABLE p REPLICA IDENTITY NOTHING");
  EXPECT_NE(problems().find("has no replica identity"), std::string::npos) << problems();
  const std::string name = ledger.psql("SELECT publication FROM pgtally.stream");
  ledger.psql("ALTER PUBLICATION " + name + " DROP TABLE p");
  EXPECT_NE(problems().find("in no publication"), std::string::npos) << problems();
  ledger.psql("SELECT pg_drop_replication_slot(slot) FROM pgtally.stream");
  EXPECT_NE(problems().find("is missing"), std::string::npos) << problems();
}

}  // namespace
}  // namespace pgtally
