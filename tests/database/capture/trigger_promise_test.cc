// What mode trigger promises the application: its statements go on, whatever becomes of their rows;
// and what it promises the ledger: what was missed is seen, and found.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "database/capture/trigger_source.h"
#include "ledger/source_check.h"

namespace pgtally {
namespace {

using test::Lines;
using test::must;
using test::TriggerLedger;

TEST(TriggerPromise, an_insert_goes_on_when_a_covered_column_is_gone) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, v text)");
  ledger.add("a", true);
  auto session = ledger.connect();
  must(session.execute("INSERT INTO a VALUES (1, 'x')"));
  ledger.psql("ALTER TABLE a RENAME v TO w");
  must(session.execute("INSERT INTO a VALUES (2, 'x')"));
  must(session.execute("INSERT INTO a SELECT generate_series(3, 2000)"));
  must(session.execute("UPDATE a SET w = 'y' WHERE id = 1"));
  ledger.drain();
  EXPECT_EQ(ledger.info().state, "failing");
  EXPECT_NE(ledger.info().failure->message.find("v"), std::string::npos);
  EXPECT_NE(ledger.info().failure->hint.find("lost"), std::string::npos);

  ledger.psql("ALTER TABLE a RENAME w TO v");
  must(session.execute("INSERT INTO a VALUES (2001, 'x')"));
  ledger.sweep("a");
  EXPECT_EQ(ledger.entries().size(), 2001U);
  EXPECT_EQ(ledger.info().state, "active");
}

TEST(TriggerPromise, open_sessions_miss_nothing_when_a_column_gets_another_type) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, v int, at timestamptz DEFAULT now())");
  ledger.add("a", true, "id", [](SourceRequest& request) { request.time = "at"; });
  auto session = ledger.connect();
  must(session.execute("INSERT INTO a VALUES (1, 1); UPDATE a SET v = 2"));
  ledger.psql("ALTER TABLE a ALTER v TYPE text, ALTER id TYPE bigint");
  must(session.execute("INSERT INTO a VALUES (2, 'x'), (3, 'x')"));
  must(session.execute("UPDATE a SET v = 'y' WHERE id = 2"));
  must(session.execute("UPDATE a SET id = 4 WHERE id = 3"));
  must(session.execute("INSERT INTO a VALUES (5, 'x')"));
  must(session.execute("DELETE FROM a WHERE id = 1"));
  ledger.drain();
  EXPECT_EQ(ledger.entries(),
            (Lines{"i 1", "u 1", "i 2", "i 3", "u 2", "d 3", "i 4", "i 5", "d 1"}));
  EXPECT_EQ(ledger.notices(), Lines{});
  ledger.sweep("a");
  EXPECT_EQ(ledger.entries().size(), 9U);
  EXPECT_EQ(ledger.info().state, "active");
  // Row 3 was inserted by one road and deleted by the other: both have its hash. Row 4 is another.
  EXPECT_EQ(ledger.psql("SELECT count(DISTINCT content_hash) FROM pgtally.processed_log WHERE "
                        "convert_from(substr(key, 3), 'UTF8') IN ('3', '4') AND source_id > 1 AND "
                        "operation IN (1, 3)"),
            "2");
}

TEST(TriggerPromise, one_row_without_a_hash_keeps_no_other_from_being_recorded) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, h bytea NOT NULL)");
  ledger.add("a", true, "id", [](SourceRequest& request) { request.hash_column = "h"; });
  ledger.psql(
      "INSERT INTO a SELECT g, CASE WHEN g = 2 THEN 'short' ELSE sha256('') END FROM "
      "generate_series(1, 3) AS g");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1", "i 3"}));
  EXPECT_EQ(ledger.info().state, "failing");
  ledger.psql("UPDATE a SET h = sha256('x') WHERE id = 2");
  ledger.sweep("a");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1", "i 3", "u 2"}));
  EXPECT_EQ(ledger.info().state, "active");
}

TEST(TriggerPromise, a_statement_may_insert_no_row_or_begin_with_one_that_has_no_hash) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, h bytea NOT NULL)");
  ledger.add("a", false, "id", [](SourceRequest& request) { request.hash_column = "h"; });
  ledger.psql(
      "INSERT INTO a SELECT 1, sha256('') WHERE false;"
      "INSERT INTO a VALUES (2, sha256('')), (3, sha256(''));"
      "INSERT INTO a VALUES (2, sha256('')) ON CONFLICT DO NOTHING");
  EXPECT_EQ(ledger.staged(), "2");
  ledger.psql("INSERT INTO a VALUES (4, 'short'), (5, sha256('')), (6, 'short')");
  EXPECT_EQ(ledger.staged(), "3");
  EXPECT_EQ(ledger.entries(), (Lines{"i 2", "i 3", "i 5"}));
  EXPECT_EQ(ledger.info().state, "failing");
}

TEST(TriggerPromise, transactions_that_miss_rows_do_not_wait_for_each_other) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, v text)");
  ledger.add("a", true);
  ledger.psql("ALTER TABLE a DROP v");
  auto one = ledger.connect();
  auto two = ledger.connect();
  must(one.execute("BEGIN; INSERT INTO a VALUES (1); INSERT INTO a VALUES (2)"));
  must(two.execute("SET lock_timeout = '1s'; BEGIN; INSERT INTO a VALUES (3); COMMIT"));
  ledger.drain();
  EXPECT_EQ(ledger.info().state, "failing");
  ledger.psql("DELETE FROM pgtally.failure");
  must(one.execute("COMMIT"));
  ledger.drain();
  EXPECT_EQ(ledger.info().state, "failing");
}

TEST(TriggerPromise, a_role_with_no_right_on_the_ledger_can_write) {
  const TriggerLedger ledger;
  const std::string role = ledger.database().name() + "_app";
  ledger.psql("CREATE ROLE " + role +
              "; CREATE TABLE a (id int PRIMARY KEY, v text); GRANT ALL ON a TO " + role);
  ledger.add("a", true);
  ledger.psql("SET ROLE " + role +
              "; INSERT INTO a VALUES (1), (2); UPDATE a SET v = 'x'; DELETE FROM a WHERE id = 2; "
              "TRUNCATE a");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1", "i 2", "u 1", "u 2", "d 2", "t"}));
  EXPECT_EQ(ledger.psql_error("SET ROLE " + role + "; SELECT pgtally.note_missed(2, true, '', '')")
                .substr(0, 5),
            "42501");
}

TEST(TriggerPromise, nobody_forges_rows_with_a_table_of_his_own) {
  const TriggerLedger ledger;
  const std::string role = ledger.database().name() + "_app";
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, v text); CREATE ROLE " + role +
              "; CREATE SCHEMA mine AUTHORIZATION " + role +
              "; CREATE TABLE mine.a (id int PRIMARY KEY, v text); ALTER TABLE mine.a OWNER TO " +
              role + "; GRANT USAGE ON SCHEMA pgtally TO " + role);
  ledger.add("a", true);
  const std::string forge =
      "CREATE TRIGGER t AFTER INSERT OR UPDATE ON mine.a FOR EACH ROW EXECUTE FUNCTION "
      "pgtally.trigger_2()";
  EXPECT_EQ(ledger.psql_error("SET ROLE " + role + "; " + forge).substr(0, 5), "42501");
  // Not even when he was given the right.
  ledger.psql("GRANT EXECUTE ON FUNCTION pgtally.trigger_2() TO " + role);
  ledger.psql("SET ROLE " + role + "; " + forge + "; INSERT INTO mine.a VALUES (7)");
  EXPECT_EQ(ledger.entries(), Lines{});
  EXPECT_EQ(ledger.info().state, "failing");
}

TEST(TriggerPromise, goes_on_when_the_table_gets_another_name) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY)");
  ledger.add("a", true);
  ledger.psql("ALTER TABLE a RENAME TO b; INSERT INTO b VALUES (1)");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1"}));
}

TEST(TriggerSweep, brings_the_rows_that_were_there_before_and_no_other_twice) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 25)");
  ledger.add("a", true);
  EXPECT_EQ(ledger.info().state, "loading");
  ledger.psql(
      "INSERT INTO a VALUES (26); DELETE FROM a WHERE id = 3; UPDATE a SET id = 30 WHERE id = 4");
  ledger.sweep("a", 10);
  ledger.psql("DELETE FROM pgtally.sweep");
  ledger.sweep("a", 10);
  EXPECT_EQ(ledger.psql("SELECT count(*), count(DISTINCT key) FROM pgtally.processed_log WHERE "
                        "source_id = 2 AND operation = 1"),
            "25|25");
  EXPECT_EQ(ledger.gaps(), "");
}

TEST(TriggerSweep, puts_a_row_before_the_changes_that_it_could_not_see) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1), (2), (3)");
  ledger.add("a", true);
  auto writer = ledger.connect();
  must(writer.execute("BEGIN; DELETE FROM a WHERE id = 1; UPDATE a SET v = 'x' WHERE id = 2"));
  ledger.psql(
      "SELECT pgtally.sweep_step((SELECT source_id FROM pgtally.source WHERE name = 'a'), 10)");
  must(writer.execute("COMMIT"));
  EXPECT_EQ(ledger.entries(), (Lines{"i 1", "i 2", "i 3", "d 1", "u 2"}));
}

TEST(TriggerSweep, takes_a_deleted_key_that_is_there_again_for_not_recorded) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY)");
  ledger.add("a", true);
  ledger.psql("INSERT INTO a VALUES (1), (2); DELETE FROM a WHERE id = 1");
  ledger.drain();
  ledger.pause(true);
  ledger.psql("INSERT INTO a VALUES (1), (3)");
  ledger.pause(false);
  ledger.psql("INSERT INTO a VALUES (4)");
  ledger.sweep("a");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1", "i 2", "d 1", "i 1", "i 3", "i 4"}));
  EXPECT_EQ(ledger.notices(), (Lines{"paused", "resumed"}));
  ledger.psql("TRUNCATE a");
  ledger.drain();
  ledger.psql(
      "ALTER TABLE a DISABLE TRIGGER ALL; INSERT INTO a VALUES (2); DELETE FROM pgtally.sweep");
  ledger.sweep("a");
  EXPECT_EQ(ledger.entries().back(), "i 2");
}

TEST(TriggerSource, waits_for_a_busy_table_a_second_at_a_time) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY)");
  auto writer = ledger.connect();
  must(writer.execute("BEGIN; INSERT INTO a VALUES (1)"));
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  SourceRequest request;
  request.name = "a";
  request.table = "a";
  request.key = {"id"};
  request.mode = "trigger";
  const SourcePlan plan = must(plan_source(opened, capture_modes(), request));
  Patience patience;
  patience.attempts = 1;
  const Error busy = test::error_of(add_source(opened, plan, patience));
  EXPECT_EQ(busy.code, ErrorCode::kRetry);
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.source WHERE name = 'a'"), "0");

  patience.attempts = 10;
  patience.pause = std::chrono::milliseconds(1);
  patience.waiting = [&](int) { must(writer.execute("COMMIT")); };
  must(add_source(opened, plan, patience));
  ledger.psql("INSERT INTO a VALUES (2)");
  ledger.sweep("a");
  EXPECT_EQ(ledger.entries().size(), 2U);
}

TEST(TriggerSource, needs_a_table_of_ones_own) {
  const TriggerLedger ledger;
  const std::string role = ledger.database().name() + "_app";
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY); CREATE ROLE " + role +
              "; GRANT ALL ON ALL TABLES IN SCHEMA pgtally TO " + role +
              "; GRANT ALL ON SCHEMA pgtally TO " + role);
  auto connection = ledger.connect();
  must(connection.execute("SET ROLE " + role));
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  SourceRequest request;
  request.name = "a";
  request.table = "public.a";
  request.key = {"id"};
  request.mode = "trigger";
  const Error error = test::error_of(plan_source(opened, capture_modes(), request));
  EXPECT_NE(error.message.find("does not own"), std::string::npos) << error.message;
}

TEST(TriggerSource, says_when_its_triggers_are_not_what_they_were) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY)");
  ledger.add("a", true);
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  const auto problems = [&] { return must(check_source(opened, ledger.info())).size(); };
  EXPECT_EQ(problems(), 0U);
  ledger.psql("ALTER TABLE a DISABLE TRIGGER USER");
  EXPECT_EQ(problems(), 1U);
  ledger.pause(true);
  EXPECT_EQ(problems(), 0U);
  ledger.pause(false);
  EXPECT_EQ(problems(), 0U);
  ledger.psql(
      "CREATE TABLE p (id int) PARTITION BY RANGE (id);"
      "ALTER TABLE p ATTACH PARTITION a FOR VALUES FROM (0) TO (1000)");
  EXPECT_EQ(problems(), 1U);
  ledger.psql("INSERT INTO p VALUES (1)");
  EXPECT_EQ(ledger.entries(), Lines{});
  ledger.psql("DELETE FROM pgtally.sweep");
  ledger.sweep("a");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1"}));
  ledger.psql("DROP TRIGGER \"00_pgtally_2_truncate\" ON a");
  EXPECT_EQ(problems(), 2U);
}

TEST(TriggerSource, leaves_nothing_on_the_table_when_it_is_removed) {
  const TriggerLedger ledger;
  ledger.psql(
      "CREATE TABLE a (id int PRIMARY KEY, p int) ; CREATE TABLE q (id int, p int, PRIMARY KEY "
      "(id, p)) "
      "PARTITION BY LIST (p); CREATE TABLE q1 PARTITION OF q FOR VALUES IN (1)");
  ledger.add("a", true);
  ledger.psql("INSERT INTO a VALUES (1)");
  ledger.remove();
  ledger.psql("INSERT INTO a VALUES (2)");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1"}));
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'a'::regclass"), "0");
  EXPECT_EQ(
      ledger.psql("SELECT count(*) FROM pg_proc WHERE proname LIKE '%\\_2' AND pronamespace = "
                  "'pgtally'::regnamespace"),
      "0");
}

TEST(TriggerSource, pauses_and_resumes_the_triggers_of_all_partitions) {
  const TriggerLedger ledger;
  ledger.psql(
      "CREATE TABLE a (id int, p int, PRIMARY KEY (id, p)) PARTITION BY LIST (p);"
      "CREATE TABLE a1 PARTITION OF a FOR VALUES IN (1)");
  ledger.add("a", true, "id", [](SourceRequest& request) { request.key = {"id", "p"}; });
  ledger.pause(true);
  ledger.psql("INSERT INTO a VALUES (1, 1)");
  ledger.pause(false);
  ledger.psql("SET session_replication_role = replica; INSERT INTO a VALUES (2, 1)");
  ledger.drain();
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.processed_log WHERE source_id = 2 AND "
                        "operation = 1"),
            "1");
  ledger.sweep("a");
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.processed_log WHERE source_id = 2 AND "
                        "operation = 1"),
            "2");
}

}  // namespace
}  // namespace pgtally
