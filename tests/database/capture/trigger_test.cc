// Mode trigger: what becomes an entry, and in which order.
#include <gtest/gtest.h>

#include "database/capture/trigger_source.h"
#include "postgres/copy.h"

namespace pgtally {
namespace {

using test::Lines;
using test::must;
using test::TriggerLedger;

TEST(Trigger, records_inserts_of_every_kind_once) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int, v text)");
  ledger.add("a", false);
  ledger.psql("INSERT INTO a VALUES (1, 'x'); INSERT INTO a SELECT g FROM generate_series(2, 3) g");
  ledger.psql("INSERT INTO a VALUES (3, 'y'), (4, 'y') ON CONFLICT DO NOTHING");
  ledger.psql("INSERT INTO a VALUES (4, 'z'), (5, 'z') ON CONFLICT (id) DO UPDATE SET v = 'u'");
  ledger.psql("INSERT INTO b VALUES (5, 'm'), (6, 'm')");
  ledger.psql(
      "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN UPDATE SET v = b.v "
      "WHEN NOT MATCHED THEN INSERT VALUES (b.id, b.v)");
  auto connection = ledger.connect();
  auto copy = must(pg::CopyIn::start(connection, "COPY a (id) FROM STDIN (FORMAT binary)"));
  copy.int4(7);
  must(copy.end_row());
  must(copy.finish());
  ledger.psql("WITH n AS (INSERT INTO a VALUES (8), (9) RETURNING id) DELETE FROM b USING n");
  EXPECT_EQ(ledger.entries(),
            (Lines{"i 1", "i 2", "i 3", "i 4", "i 5", "i 6", "i 7", "i 8", "i 9"}));
  EXPECT_EQ(ledger.gaps(), "");
}

TEST(Trigger, leaves_no_trace_of_what_was_rolled_back) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY)");
  ledger.add("a", true);
  ledger.psql("BEGIN; INSERT INTO a VALUES (1); ROLLBACK");
  ledger.psql(
      "BEGIN; INSERT INTO a VALUES (2); SAVEPOINT s; INSERT INTO a VALUES (3); ROLLBACK TO s; "
      "INSERT INTO a VALUES (4); RELEASE s; COMMIT");
  ledger.psql(
      "DO $$ BEGIN INSERT INTO a VALUES (5); BEGIN INSERT INTO a VALUES (6), (2); "
      "EXCEPTION WHEN unique_violation THEN NULL; END; INSERT INTO a VALUES (7); END $$");
  EXPECT_EQ(ledger.entries(), (Lines{"i 2", "i 4", "i 5", "i 7"}));
}

TEST(Trigger, takes_a_key_that_its_collation_finds_equal_for_another_one) {
  const TriggerLedger ledger;
  ledger.psql(
      "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
      "CREATE TABLE a (id text COLLATE ci PRIMARY KEY, note text)");
  ledger.add("a", true);
  ledger.psql(
      "INSERT INTO a VALUES ('Abc', 'x'); UPDATE a SET id = 'ABC'; UPDATE a SET note = 'y'");
  EXPECT_EQ(ledger.entries(), (std::vector<std::string>{"i Abc", "d Abc", "i ABC", "u ABC"}));
}

TEST(Trigger, records_updates_deletes_and_truncates_when_they_are_tracked) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, v text)");
  ledger.add("a", true);
  ledger.psql("INSERT INTO a VALUES (1, 'x'), (2, 'x'), (3, 'x')");
  ledger.psql("UPDATE a SET v = 'y' WHERE id = 1");
  ledger.psql("DELETE FROM a WHERE id = 2");
  ledger.psql("BEGIN; INSERT INTO a VALUES (2); UPDATE a SET v = 'z' WHERE id = 2; COMMIT");
  ledger.psql("TRUNCATE a; INSERT INTO a VALUES (1)");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1", "i 2", "i 3", "u 1", "d 2", "i 2", "u 2", "t", "i 1"}));
  // A delete has the hash of the row that went, a truncate none.
  EXPECT_EQ(ledger.psql("SELECT count(DISTINCT content_hash) FROM pgtally.processed_log "
                        "WHERE operation IN (1, 3) AND source_id = 2 AND key = '\\x000132' "
                        "AND ordinal <= 5"),
            "1");
  EXPECT_EQ(ledger.psql("SELECT content_hash = decode(repeat('00', 32), 'hex') AND key = '' "
                        "FROM pgtally.processed_log WHERE operation = 4"),
            "t");
}

TEST(Trigger, does_not_record_changes_unless_asked_to) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, v text)");
  ledger.add("a", false);
  ledger.psql("INSERT INTO a VALUES (1), (2); UPDATE a SET v = 'y'; DELETE FROM a; TRUNCATE a");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1", "i 2"}));
}

TEST(Trigger, takes_an_update_of_the_key_for_a_delete_and_an_insert) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id numeric PRIMARY KEY, v text)");
  ledger.add("a", true);
  ledger.psql("INSERT INTO a VALUES (1, 'x'); UPDATE a SET id = 2; UPDATE a SET v = 'y'");
  // Equal as a number, and yet another key, because keys are texts.
  ledger.psql("UPDATE a SET id = 2.0");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1", "d 1", "i 2", "u 2", "d 2", "i 2.0"}));
  EXPECT_EQ(ledger.psql("SELECT count(DISTINCT content_hash) FROM pgtally.processed_log "
                        "WHERE operation IN (1, 3) AND source_id = 2 AND key = '\\x000131'"),
            "1");
}

// Keys of an integer type are compared as numbers, as long as they are of that type.
TEST(Trigger, knows_another_key_whatever_became_of_its_type) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, v text)");
  ledger.add("a", true);
  auto session = ledger.connect();
  must(session.execute("INSERT INTO a VALUES (1, 'x'); UPDATE a SET v = 'y'; UPDATE a SET id = 2"));
  ledger.psql("ALTER TABLE a ALTER id TYPE numeric");
  must(session.execute("UPDATE a SET id = 2.0; UPDATE a SET v = 'z'"));
  ledger.psql("UPDATE a SET id = 2.00");
  EXPECT_EQ(ledger.entries(),
            (Lines{"i 1", "u 1", "d 1", "i 2", "d 2", "i 2.0", "u 2.0", "d 2.0", "i 2.00"}));
}

TEST(Trigger, records_a_row_that_moves_between_partitions_as_a_delete_and_an_insert) {
  const TriggerLedger ledger;
  ledger.psql(
      "CREATE TABLE a (id int, part int, PRIMARY KEY (id, part)) PARTITION BY LIST (part);"
      "CREATE TABLE a_1 PARTITION OF a FOR VALUES IN (1);"
      "CREATE TABLE a_2 (part int, id int NOT NULL, PRIMARY KEY (id, part));"
      "ALTER TABLE a ATTACH PARTITION a_2 FOR VALUES IN (2)");
  const auto two_columns = [](SourceRequest& request) { request.key = {"id", "part"}; };
  const Error refused = test::error_of(ledger.try_add("a", false, "id", two_columns));
  EXPECT_NE(refused.hint.find("--track-changes"), std::string::npos);
  ledger.add("a", true, "id", two_columns);
  ledger.psql("INSERT INTO a VALUES (1, 1); INSERT INTO a_2 (id, part) VALUES (2, 2)");
  ledger.psql("CREATE TABLE a_3 PARTITION OF a FOR VALUES IN (3)");
  ledger.psql("SET session_replication_role = replica; INSERT INTO a_3 VALUES (3, 3)");
  ledger.psql("UPDATE a SET part = 2 WHERE id = 1");
  ledger.psql("TRUNCATE a");
  ledger.drain();
  EXPECT_EQ(ledger.psql("SELECT string_agg(operation || encode(key, 'hex'), ' ' ORDER BY id) FROM "
                        "pgtally.processed_log WHERE source_id = 2 AND operation <= 4"),
            "1000131000131 1000132000132 1000133000133 3000131000131 1000131000132 4");
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.missed"), "0");
}

TEST(Trigger, fires_in_sessions_that_replicate) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY)");
  ledger.add("a", true);
  ledger.psql(
      "SET session_replication_role = replica; INSERT INTO a VALUES (1), (2); "
      "UPDATE a SET id = 3 WHERE id = 1; TRUNCATE a");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1", "i 2", "d 1", "i 3", "t"}));
}

TEST(Trigger, records_what_an_earlier_transaction_does_later_after_it) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int)");
  ledger.add("a", true);
  ledger.psql("INSERT INTO a VALUES (1, 'first')");
  ledger.drain();
  // It has the lower transaction id, and changes the row after the other one.
  auto earlier = ledger.connect();
  must(earlier.execute("BEGIN; INSERT INTO b VALUES (1)"));
  ledger.psql("UPDATE a SET v = 'second' WHERE id = 1");
  must(earlier.execute("UPDATE a SET v = 'third' WHERE id = 1; COMMIT"));
  for (int batch = 0; batch < 10; ++batch) ledger.take(1);
  ledger.drain();
  EXPECT_EQ(ledger.entries(), (Lines{"i 1", "u 1", "u 1"}));
  ledger.psql(
      "CREATE TABLE c (LIKE a); INSERT INTO c SELECT * FROM a; ALTER TABLE c ADD PRIMARY KEY (id)");
  ledger.add_source("c", "c", {"id"}, [](SourceRequest& request) {
    request.mode = "poll";
    request.blind = false;
  });
  ledger.drain();
  EXPECT_EQ(
      ledger.psql("SELECT count(*) FROM pgtally.processed_log AS c, (SELECT content_hash FROM "
                  "pgtally.processed_log WHERE source_id = 2 ORDER BY id DESC LIMIT 1) AS l "
                  "WHERE c.source_id = 3 AND c.operation = 1 "
                  "AND c.content_hash = l.content_hash"),
      "1");
}

TEST(Trigger, records_what_another_trigger_changes_after_what_made_it_fire) {
  const TriggerLedger ledger;
  ledger.psql(
      "CREATE TABLE a (id int PRIMARY KEY, v text);"
      "CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "UPDATE a SET v = 'more' WHERE id = NEW.id; RETURN NULL; END $$;"
      "CREATE TRIGGER aaa AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION more()");
  ledger.add("a", true);
  ledger.psql("INSERT INTO a VALUES (1)");
  EXPECT_EQ(ledger.entries(), (Lines{"i 1", "u 1"}));
}

// A table with tracked changes that gets a trigger of its own later: after each insert it changes the row.
class LaterTrigger : public testing::Test {
 protected:
  LaterTrigger() {
    // Columns of names that mean something in the function.
    ledger_.psql("CREATE TABLE a (id int PRIMARY KEY, v text, a int, t int, added text, new json)");
    ledger_.add("a", true);
    ledger_.drain();
    ledger_.psql(
        "CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "UPDATE a SET v = 'more' WHERE id = NEW.id; RETURN NULL; END $$;"
        "CREATE TRIGGER more AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION more()");
  }
  const TriggerLedger ledger_;
};

TEST_F(LaterTrigger, fires_after_the_insert_is_recorded_once_triggers_are_ordered) {
  EXPECT_EQ(ledger_.psql("SELECT pgtally.order_triggers('{}')"), "(2,a,,f)");
  EXPECT_EQ(ledger_.psql("SELECT pgtally.order_triggers('{}')"), "(,,,f)");
  ledger_.psql("INSERT INTO a VALUES (1), (2)");
  ledger_.psql("DELETE FROM a WHERE id = 1");
  EXPECT_EQ(ledger_.entries(), (Lines{"i 1", "i 2", "u 1", "u 2", "d 1"}));
  EXPECT_EQ(ledger_.psql("SELECT string_agg(tgenabled::text, '') FROM pg_trigger "
                         "WHERE tgrelid = 'a'::regclass AND tgname LIKE '00%'"),
            "AAA");
}

// All rows of a statement are there before the first trigger of a user fires.
TEST_F(LaterTrigger, may_change_other_rows_of_the_same_statement) {
  ledger_.psql(
      "CREATE OR REPLACE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "DELETE FROM a WHERE id <> NEW.id; RETURN NULL; END $$;");
  ledger_.run("SELECT pgtally.order_triggers('{}')");
  ledger_.psql("INSERT INTO a VALUES (1), (2), (3)");
  EXPECT_EQ(ledger_.entries(), (Lines{"i 1", "i 2", "i 3", "d 2", "d 3", "d 1"}));
  ledger_.psql("DELETE FROM a; INSERT INTO a SELECT g FROM generate_series(10, 1500) AS g");
  EXPECT_EQ(ledger_.psql("SELECT count(*) FROM a"), "0");
  EXPECT_EQ(ledger_.staged(), std::to_string(6 + 2 * 1491));
}

TEST_F(LaterTrigger, inserts_into_the_table_itself_from_within) {
  ledger_.psql(
      "CREATE OR REPLACE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "IF NEW.id < 3 THEN INSERT INTO a VALUES (NEW.id + 10), (NEW.id + 20); END IF; "
      "RETURN NULL; END $$;");
  ledger_.run("SELECT pgtally.order_triggers('{}')");
  ledger_.psql("INSERT INTO a VALUES (1), (2)");
  EXPECT_EQ(ledger_.entries(), (Lines{"i 1", "i 2", "i 11", "i 21", "i 12", "i 22"}));
}

TEST_F(LaterTrigger, is_there_already_when_another_source_is_made_of_the_table) {
  ledger_.add("b", true, "id", [](SourceRequest& request) { request.table = "a"; });
  ledger_.psql("INSERT INTO a VALUES (1), (2)");
  EXPECT_EQ(ledger_.entries("b"), (Lines{"i 1", "i 2", "u 1", "u 2"}));
}

TEST_F(LaterTrigger, shows_the_source_as_failing_while_nobody_may_order_its_triggers) {
  const std::string role = ledger_.database().name() + "_owner";
  ledger_.psql("CREATE ROLE " + role + "; CREATE ROLE " + role + "_2 IN ROLE " +
               ledger_.database().name() + "_pgtally_sequencer; ALTER TABLE a OWNER TO " + role);
  ledger_.psql("SET ROLE " + role + "_2; SELECT pgtally.order_triggers('{}')");
  const auto failure = ledger_.info().failure;
  ASSERT_TRUE(failure);
  EXPECT_NE(failure->message.find("table public.a has got row triggers of its own"),
            std::string::npos);
  EXPECT_EQ(failure->hint.substr(0, failure->hint.find(':')),
            "Run GRANT " + role + " TO " + role + "_2");
  // Rows are taken all the while, and its first sweep is not held up.
  ledger_.psql("INSERT INTO a VALUES (7)");
  EXPECT_EQ(ledger_.entries().size(), 2);
  EXPECT_EQ(ledger_.psql("SELECT done FROM pgtally.sweep_step(2, 10)"), "t");
  EXPECT_TRUE(ledger_.info().failure);
  ledger_.psql("DROP TRIGGER more ON a; SET ROLE " + role +
               "_2; SELECT pgtally.order_triggers('{}')");
  EXPECT_FALSE(ledger_.info().failure);
}

TEST(Trigger, takes_its_position_and_time_from_staging_and_the_table) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY, at timestamp)");
  ledger.add("a", false, "id", [](SourceRequest& request) { request.time = "at"; });
  ledger.psql(
      "SET timezone = 'Asia/Tokyo'; INSERT INTO a VALUES (1, '2020-01-01 00:00'), (2, 'infinity'), "
      "(3, NULL), (4, '294276-12-31')");
  ledger.psql("INSERT INTO a VALUES (5, '294276-12-31')");
  ledger.drain();
  EXPECT_EQ(ledger.psql("SET timezone = 'UTC'; SELECT string_agg(coalesce(source_time::text, '-'), "
                        "' ' ORDER BY id) FROM pgtally.processed_log WHERE source_id = 2 AND "
                        "operation = 1"),
            "2020-01-01 00:00:00+00 infinity - infinity infinity");
}

TEST(Trigger, takes_a_bulk_load_that_is_larger_than_its_arrays) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY)");
  ledger.add("a", false);
  ledger.psql("INSERT INTO a SELECT generate_series(1, 1001)");
  ledger.psql("INSERT INTO a SELECT generate_series(1002, 2001)");
  EXPECT_EQ(ledger.drain(400), 2001);
  EXPECT_EQ(ledger.psql("SELECT count(DISTINCT key), count(DISTINCT content_hash) FROM "
                        "pgtally.processed_log WHERE operation = 1"),
            "2001|2001");
  EXPECT_EQ(ledger.gaps(), "");
}

TEST(Trigger, takes_no_transaction_id_for_a_row) {
  const TriggerLedger ledger;
  ledger.psql("CREATE TABLE a (id int PRIMARY KEY)");
  ledger.add("a", true);
  auto connection = ledger.connect();
  const auto next = [&] {
    const auto rows = must(connection.query("SELECT pg_current_xact_id()::text::int8"));
    return must(rows.get<std::int64_t>(0, 0));
  };
  const std::int64_t before = next();
  must(connection.execute("BEGIN"));
  for (int i = 0; i < 20; ++i) {
    must(connection.execute("INSERT INTO a VALUES (" + std::to_string(i) + ")"));
    must(connection.execute("UPDATE a SET id = id + 1000 WHERE id = " + std::to_string(i)));
  }
  for (int i = 0; i < 20; ++i) {
    must(connection.execute("INSERT INTO a SELECT g * 100 + " + std::to_string(i) +
                            " FROM generate_series(100, 110) AS g"));
  }
  must(connection.execute("COMMIT"));
  // Other tests share the cluster and take some, but not forty in this time.
  EXPECT_LT(next() - before, 40);
  EXPECT_EQ(ledger.psql("SELECT count(DISTINCT xid) FROM pgtally.append_only_log"), "1");
}

}  // namespace
}  // namespace pgtally
