// What becomes of the tables of mode logical while their stream is read.

#include <signal.h>

#include "database/capture/logical_test.h"

namespace pgtally {
namespace {

using test::LogicalLedger;
using test::must;
using test::Texts;

class LogicalTable : public testing::Test {
 protected:
  LogicalTable() {
    ledger_.psql("CREATE TABLE p (id int PRIMARY KEY, v int); CREATE TABLE o (id int PRIMARY KEY)");
    ledger_.add("p", "public.p");
    ledger_.add("o", "public.o");
    ledger_.psql("INSERT INTO p VALUES (1, 1), (2, 2)");
    ledger_.read_all();
  }
  // Reads on, with the same readers, until entries of p are these; with other tables in between.
  void expect_entries(const Texts& expected) {
    for (int n = 0; n < 400 && ledger_.entries("p") != expected; ++n) {
      ledger_.psql("INSERT INTO o SELECT coalesce(max(id), 0) + 1 FROM o");
      (void)must(ledger_.step());
      ledger_.drain();
    }
    EXPECT_EQ(ledger_.entries("p"), expected);
  }
  void expect_state(const std::string& state) {
    for (int n = 0; n < 400 && ledger_.state("p") != state; ++n) (void)must(ledger_.step());
    EXPECT_EQ(ledger_.state("p"), state);
  }
  LogicalLedger ledger_;
};

TEST_F(LogicalTable, that_is_taken_out_of_its_publication_is_put_back_and_compared) {
  const std::string name = ledger_.psql("SELECT publication FROM pgtally.stream");
  ledger_.psql("ALTER PUBLICATION " + name + " DROP TABLE p; INSERT INTO p VALUES (3, 3)");
  expect_entries({"insert 1", "insert 2", "insert 3"});
  ledger_.psql("INSERT INTO p VALUES (4, 4)");
  expect_entries({"insert 1", "insert 2", "insert 3", "insert 4"});
  EXPECT_EQ(ledger_.psql("SELECT count(*) FROM pgtally.processed_log WHERE operation = 6 AND "
                         "convert_from(data, 'UTF8') LIKE '%was not published%'"),
            "1");
}

TEST_F(LogicalTable, that_took_the_place_of_another_is_followed_after_what_came_of_that) {
  ledger_.psql(
      "CREATE TABLE n (more int, v int, id int PRIMARY KEY);"
      "INSERT INTO n SELECT 0, v, id FROM p WHERE id > 1; INSERT INTO p VALUES (3, 3);"
      "BEGIN; ALTER TABLE p RENAME TO was; ALTER TABLE n RENAME TO p; COMMIT");
  expect_entries({"insert 1", "insert 2", "insert 3", "update 2", "delete 1", "delete 3"});
  ledger_.psql("INSERT INTO was VALUES (8, 8); INSERT INTO p VALUES (1, 9, 9)");
  expect_entries(
      {"insert 1", "insert 2", "insert 3", "update 2", "delete 1", "delete 3", "insert 9"});
  EXPECT_EQ(ledger_.state("p"), "active");
  EXPECT_EQ(ledger_.psql("SELECT count(*) FROM pg_publication_tables WHERE tablename = 'was'"),
            "0");
  EXPECT_EQ(ledger_.psql("SELECT count(*) FROM pgtally.processed_log WHERE operation = 6 AND "
                         "convert_from(data, 'UTF8') LIKE '%is another one than before%'"),
            "1");
}

// What the old table gets under its new name is nothing of the source's, however soon that is.
TEST_F(LogicalTable, that_took_the_place_of_another_is_followed_though_the_other_is_written_to) {
  ledger_.psql(
      "CREATE TABLE n (id int PRIMARY KEY, v int); INSERT INTO n SELECT * FROM p;"
      "BEGIN; ALTER TABLE p RENAME TO was; ALTER TABLE n RENAME TO p; COMMIT;"
      "INSERT INTO was VALUES (8, 8); DELETE FROM was WHERE id = 1; INSERT INTO p VALUES (3, 3)");
  expect_entries({"insert 1", "insert 2", "insert 3"});
  ledger_.psql("INSERT INTO was VALUES (9, 9); INSERT INTO p VALUES (4, 4)");
  expect_entries({"insert 1", "insert 2", "insert 3", "insert 4"});
  EXPECT_EQ(ledger_.state("p"), "active");
}

TEST_F(LogicalTable, two_sources_of_one_table_agree_about_its_publication) {
  ledger_.add("p2", "public.p");
  ledger_.psql("UPDATE pgtally.source SET track_changes = false WHERE name = 'p2'");
  for (int n = 0; n < 300; ++n) (void)must(ledger_.step());
  ledger_.drain();
  EXPECT_EQ(ledger_.psql("SELECT count(*) FROM pgtally.processed_log WHERE operation = 6"), "0");
  EXPECT_EQ(ledger_.state("p"), "active");
}

TEST_F(LogicalTable, that_is_gone_shows_the_source_as_failing_until_there_is_one_again) {
  ledger_.psql("DROP TABLE p");
  expect_state("failing");
  EXPECT_EQ(ledger_.psql("SELECT message FROM pgtally.failure"), "table public.p is gone");
  ledger_.psql("CREATE TABLE p (id int PRIMARY KEY, v int); INSERT INTO p VALUES (2, 2), (3, 3)");
  ledger_.psql("UPDATE pgtally.failure SET retry_at = now()");
  expect_entries({"insert 1", "insert 2", "insert 3", "delete 1"});
  expect_state("active");
}

// Publishing its updates would make them fail.
TEST_F(LogicalTable, made_anew_without_a_key_is_not_published_before_its_updates_can_be_followed) {
  ledger_.psql(
      "DROP TABLE p; CREATE TABLE p (id int NOT NULL UNIQUE, v int); INSERT INTO p VALUES (2, 2)");
  expect_state("failing");
  ledger_.psql("UPDATE p SET v = 3");
  ledger_.psql("ALTER TABLE p REPLICA IDENTITY FULL; UPDATE pgtally.failure SET retry_at = now()");
  expect_entries({"insert 1", "insert 2", "update 2", "delete 1"});
}

// It hangs, or the way to it does, and neither says so.
TEST_F(LogicalTable, of_a_server_that_sends_nothing_is_shown_as_behind) {
  const auto wait_for = [&](const std::string& rows) {
    const std::string behind =
        "SELECT sum(waiting_rows) FROM pgtally.waiting() WHERE oldest < clock_timestamp()";
    for (int n = 0; n < 600 && ledger_.psql(behind) != rows; ++n) (void)must(ledger_.step());
    EXPECT_EQ(ledger_.psql(behind), rows);
  };
  (void)must(ledger_.step());
  const pid_t sender = std::stoi(ledger_.psql(
      "SELECT active_pid FROM pg_replication_slots WHERE database = current_database()"));
  ASSERT_EQ(kill(sender, SIGSTOP), 0);
  ledger_.psql("INSERT INTO p VALUES (3, 3)");
  wait_for("2");  // one of each source
  EXPECT_EQ(kill(sender, SIGCONT), 0);
  expect_entries({"insert 1", "insert 2", "insert 3"});
  wait_for("");
}

}  // namespace
}  // namespace pgtally
