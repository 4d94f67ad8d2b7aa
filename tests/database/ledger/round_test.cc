// Rounds: what the snapshot difference takes, and when. Spec: the rule in sql/functions/rounds.sql.
#include <gtest/gtest.h>

#include "ledger/sequencer.h"
#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::must;
using test::TestSchema;
using Texts = std::vector<std::string>;

std::string append(const std::string& data) {
  return "INSERT INTO pgtally.append_only_log (data) VALUES ('" + data + "');";
}

// What was appended, in the order of the log.
Texts appended(const TestSchema& ledger) {
  return test::lines(
      ledger.psql("SELECT convert_from(l.data, 'UTF8') FROM pgtally.processed_log AS p "
                  "JOIN pgtally.append_only_log AS l ON l.id::text = p.source_position "
                  "WHERE p.operation = 1 AND p.source_id = 1 ORDER BY p.id"));
}

TEST(Round, takes_a_row_whose_transaction_committed_after_rows_with_higher_ids) {
  const TestSchema ledger;
  auto late = ledger.connect();
  must(late.execute("BEGIN;" + append("late")));
  ledger.psql(append("early"));
  EXPECT_EQ(ledger.drain(), 1);
  must(late.execute("COMMIT"));
  EXPECT_EQ(ledger.drain(), 1);
  EXPECT_EQ(appended(ledger), (Texts{"early", "late"}));
  EXPECT_EQ(ledger.gaps(), "");
}

TEST(Round, never_waits_for_a_transaction_that_stays_open) {
  const TestSchema ledger;
  auto open = ledger.connect();
  must(open.execute("BEGIN;" + append("open")));
  for (int i = 0; i < 5; ++i) {
    ledger.psql(append("row " + std::to_string(i)));
    EXPECT_EQ(ledger.drain(), 1);
  }
  must(open.execute("COMMIT"));
  EXPECT_EQ(ledger.drain(), 1);
}

TEST(Round, never_takes_a_row_that_was_rolled_back) {
  const TestSchema ledger;
  ledger.psql("BEGIN;" + append("gone") + "ROLLBACK;" + append("kept"));
  ledger.psql("BEGIN; SAVEPOINT s;" + append("gone too") + "ROLLBACK TO s;" + append("kept too") +
              "COMMIT");
  ledger.drain();
  EXPECT_EQ(appended(ledger), (Texts{"kept", "kept too"}));
}

TEST(Round, takes_rows_of_subtransactions_with_their_transaction) {
  const TestSchema ledger;
  auto open = ledger.connect();
  must(open.execute("BEGIN;" + append("outside") + "SAVEPOINT a;" + append("in a") +
                    "SAVEPOINT b;" + append("in b") + "RELEASE a"));
  must(
      open.execute("DO $$ BEGIN INSERT INTO pgtally.append_only_log (data) VALUES ('in a block'); "
                   "EXCEPTION WHEN division_by_zero THEN NULL; END $$"));
  ledger.psql(append("meanwhile"));
  ledger.drain();
  must(open.execute("COMMIT"));
  ledger.drain();
  EXPECT_EQ(appended(ledger), (Texts{"meanwhile", "outside", "in a", "in b", "in a block"}));
}

TEST(Round, takes_rows_of_a_prepared_transaction_once_it_commits) {
  const TestSchema ledger;
  ledger.psql("BEGIN;" + append("prepared") + "PREPARE TRANSACTION '" + ledger.database().name() +
              "'");
  ledger.psql(append("later"));
  EXPECT_EQ(ledger.drain(), 1);
  ledger.psql("COMMIT PREPARED '" + ledger.database().name() + "'");
  EXPECT_EQ(ledger.drain(), 1);
  EXPECT_EQ(appended(ledger), (Texts{"later", "prepared"}));
}

// A snapshot does not list the transaction that takes it, whose rows it shows all the same.
TEST(Round, takes_rows_that_the_sequencing_transaction_itself_staged_before_and_after) {
  const TestSchema ledger;
  auto session = ledger.connect();
  must(session.execute("BEGIN;" + append("before")));
  ledger.psql(append("other"));  // ends with a higher transaction id than the one that sequences
  must(session.execute("SELECT pgtally.process_next_batch();" + append("after") + "COMMIT"));
  EXPECT_EQ(appended(ledger), (Texts{"other"}));
  EXPECT_EQ(ledger.drain(), 2);
  EXPECT_EQ(appended(ledger), (Texts{"other", "before", "after"}));
  // The same when the batch itself is what gave the transaction its xid.
  ledger.psql(append("one more"));
  ledger.psql("BEGIN; SELECT pgtally.process_next_batch();" + append("and after") + "COMMIT");
  ledger.drain();
  EXPECT_EQ(appended(ledger).back(), "and after");
  EXPECT_EQ(ledger.gaps(), "");
}

TEST(Round, that_is_open_takes_no_row_that_was_committed_after_it_began) {
  const TestSchema ledger;
  ledger.psql(append("a") + append("b") + append("c"));
  auto open = ledger.connect();
  must(open.execute("BEGIN;" + append("late")));
  ledger.psql(append("d"));
  ledger.take(1);
  must(open.execute("COMMIT"));
  ledger.drain(1);
  EXPECT_EQ(appended(ledger), (Texts{"a", "b", "c", "d", "late"}));
}

TEST(Round, that_finds_nothing_writes_nothing_and_takes_no_transaction_id) {
  const TestSchema ledger;
  ledger.psql(append("a"));
  ledger.drain();
  auto session = ledger.connect();
  must(session.execute("BEGIN; SELECT pgtally.process_next_batch()"));
  const auto xid = must(session.query("SELECT pg_current_xact_id_if_assigned()::text"));
  EXPECT_TRUE(xid.is_null(0, 0));
}

TEST(Round, is_refused_under_any_isolation_but_read_committed) {
  const TestSchema ledger;
  for (const std::string level : {"REPEATABLE READ", "SERIALIZABLE"}) {
    EXPECT_EQ(ledger.psql_error("BEGIN ISOLATION LEVEL " + level +
                                "; SELECT pgtally.process_next_batch()"),
              "TLR04 a batch needs READ COMMITTED, this transaction is " + level);
  }
}

TEST(Round, refuses_batches_of_no_rows_and_of_too_many) {
  const TestSchema ledger;
  for (const std::string rows : {"0", "-1", "1000001", "NULL"}) {
    EXPECT_EQ(ledger.psql_error("SELECT pgtally.process_next_batch(" + rows + ")").substr(0, 5),
              "TLR03");
  }
}

class PagedRound : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(max_rows, PagedRound, testing::Values(1, 2, 3, 7));

TEST_P(PagedRound, takes_every_row_of_several_sources_once_and_in_its_own_order) {
  const TestSchema ledger;
  ledger.create_xid_table("a");
  ledger.create_xid_table("b");
  ledger.psql("CREATE TABLE p (id bigint PRIMARY KEY)");
  ledger.add_source("a", "public.a", {"id"});
  ledger.add_source("b", "public.b", {"id"});
  ledger.add_source("p", "public.p", {"id"});
  ledger.sweep("a");
  ledger.sweep("b");
  // One transaction with many rows, several with few, and one that is open during the first round.
  auto open = ledger.connect();
  must(
      open.execute("BEGIN; INSERT INTO a SELECT generate_series(100, 104); "
                   "INSERT INTO b SELECT generate_series(100, 104)"));
  ledger.psql("INSERT INTO a SELECT generate_series(1, 9);" + append("x"));
  ledger.psql("INSERT INTO b VALUES (1); INSERT INTO p SELECT generate_series(1, 5)");
  ledger.psql("INSERT INTO b VALUES (2), (3);" + append("y"));
  ledger.take(GetParam());
  must(open.execute("COMMIT"));
  ledger.psql("INSERT INTO a VALUES (10); INSERT INTO p VALUES (6)");
  ledger.drain(GetParam());

  ASSERT_EQ(ledger.keys_of("a").size(), 15U);
  EXPECT_EQ(ledger.keys_of("b").size(), 8U);
  EXPECT_EQ(ledger.keys_of("p"), (Texts{"1", "2", "3", "4", "5", "6"}));
  EXPECT_EQ(appended(ledger), (Texts{"x", "y"}));
  // Within a transaction, by key; the row that a later round brought is last.
  const Texts a = ledger.keys_of("a");
  EXPECT_EQ(Texts(a.begin(), a.begin() + 9), (Texts{"1", "2", "3", "4", "5", "6", "7", "8", "9"}));
  EXPECT_EQ(ledger.gaps(), "");
  EXPECT_EQ(ledger.psql("SELECT count(*) - count(DISTINCT (source_id, key)) FROM "
                        "pgtally.processed_log WHERE operation = 1"),
            "0");
}

// Everything that committed before a round began comes before everything that it has not seen.
TEST_P(PagedRound, puts_no_row_before_one_of_an_earlier_round_that_it_saw) {
  const TestSchema ledger;
  for (const std::string table : {"a", "b", "c"}) {
    ledger.create_xid_table(table);
    ledger.add_source(table, "public." + table, {"id"});
    ledger.sweep(table);
  }
  ledger.psql(
      "INSERT INTO b SELECT generate_series(1, 10); INSERT INTO c SELECT generate_series(1, 10)");
  ledger.take(GetParam());  // the round stands at its snapshot now
  // These saw all of the above; source a has the lowest number and nothing else waiting.
  ledger.psql("INSERT INTO a VALUES (1)");
  ledger.psql("INSERT INTO a VALUES (2)");
  ledger.drain(GetParam());
  const Texts rows = ledger.rows();
  ASSERT_EQ(rows.size(), 22U);
  EXPECT_EQ(rows[20], "a 1");
  EXPECT_EQ(rows[21], "a 2");
}

TEST(Round, is_not_wedged_when_a_source_is_removed_in_the_middle) {
  const TestSchema ledger;
  ledger.create_xid_table("a");
  ledger.create_xid_table("b");
  ledger.add_source("a", "public.a", {"id"});
  ledger.add_source("b", "public.b", {"id"});
  ledger.psql(
      "INSERT INTO a SELECT generate_series(1, 10); INSERT INTO b SELECT generate_series(1, 10)");
  ledger.take(4);
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  must(run_script(opened, remove_script(opened, must(find_source(opened, "a")))));
  ledger.drain(4);
  EXPECT_EQ(ledger.keys_of("b").size(), 10U);
  EXPECT_LT(ledger.keys_of("a").size(), 10U);
  EXPECT_EQ(ledger.psql("SELECT upto IS NULL FROM pgtally.round ORDER BY round_id DESC LIMIT 1"),
            "t");
}

TEST(Round, loses_nothing_of_a_source_that_was_paused_in_the_middle) {
  const TestSchema ledger;
  ledger.create_xid_table("a");
  ledger.psql("CREATE TABLE p (id bigint PRIMARY KEY)");
  ledger.add_source("a", "public.a", {"id"});
  ledger.add_source("p", "public.p", {"id"});
  ledger.sweep("a");
  ledger.psql("INSERT INTO a SELECT generate_series(1, 10)");
  ledger.psql("INSERT INTO p VALUES (5)");
  ledger.take(4);
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  for (const std::string name : {"a", "p"}) {
    must(run_script(opened, pause_script(opened, must(find_source(opened, name)), true)));
  }
  ledger.psql("INSERT INTO a SELECT generate_series(11, 20); INSERT INTO p VALUES (3), (6)");
  for (int i = 0; i < 4; ++i) ledger.psql(append("meanwhile"));
  ledger.drain(4);
  for (const std::string name : {"a", "p"}) {
    must(run_script(opened, pause_script(opened, must(find_source(opened, name)), false)));
  }
  ledger.psql("INSERT INTO a VALUES (21)");
  ledger.drain(4);
  // What a round passed by is the sweep's, which the service runs for a source that needs one.
  ledger.sweep("a");
  EXPECT_EQ(ledger.keys_of("a").size(), 21U);
  EXPECT_EQ(ledger.keys_of("p").size(), 3U);
  EXPECT_EQ(ledger.psql("SELECT count(*) - count(DISTINCT (source_id, key)) FROM "
                        "pgtally.processed_log WHERE operation = 1"),
            "0");
}

// Neither the owner nor COPY chooses the transaction that a staged row claims to come from.
TEST(Staging, refuses_a_transaction_id_that_is_not_the_writers) {
  const TestSchema ledger;
  EXPECT_EQ(ledger.psql_error("INSERT INTO pgtally.append_only_log (data, xid) VALUES ('a', '3')")
                .substr(0, 5),
            "23514");
  EXPECT_EQ(ledger
                .psql_error("COPY pgtally.append_only_log (data, xid) FROM PROGRAM "
                            "'printf \"a\\t3\\n\"'")
                .substr(0, 5),
            "23514");
}

// What only the owner can write; whatever it is, it does not stop the log.
TEST(Staging, has_an_answer_to_rows_without_content_and_to_those_with_two) {
  const TestSchema ledger;
  ledger.psql("UPDATE pgtally.source SET blind = false; DELETE FROM pgtally.secret");
  ledger.psql(
      "INSERT INTO pgtally.append_only_log (data, content_hash) VALUES (NULL, NULL), ('a', "
      "sha256('b')), (NULL, sha256('c'))");
  EXPECT_EQ(ledger.drain(), 3);
  EXPECT_EQ(ledger.psql("SELECT array_agg(content_hash ORDER BY id) = ARRAY[sha256(''), "
                        "sha256('a'), sha256('c')] FROM pgtally.processed_log WHERE source_id = 1 "
                        "AND operation = 1"),
            "t");
}

class StagedNonsense : public testing::TestWithParam<Road> {};
INSTANTIATE_TEST_SUITE_P(road, StagedNonsense, testing::Values(Road::kSql, Road::kFast));

TEST_P(StagedNonsense, is_left_out_and_a_notice_says_so) {
  const TestSchema ledger;
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  Sequencer sequencer(10000, nullptr);
  const auto take = [&] { return must(sequencer.take_next(opened, GetParam())).rows; };
  const auto stage = [&](const std::string& columns, const std::string& values) {
    ledger.psql("INSERT INTO pgtally.append_only_log (" + columns + ") VALUES (" + values + ")");
  };
  const auto notices = [&] {
    return ledger.psql(
        "SELECT count(*) FROM pgtally.processed_log WHERE operation = 6 AND "
        "convert_from(data, 'UTF8')::json ->> 'event' = 'left_out'");
  };
  const std::string zeros = "decode(repeat('00', 32), 'hex')";
  const std::vector<std::pair<std::string, std::string>> nonsense{
      {"source_id, data", "0, 'a'"},
      {"source_id, data", "-1, 'a'"},
      {"source_id, data", "99, 'a'"},
      {"definition, data", "-1, 'a'"},
      {"operation, data", "0, 'a'"},
      {"operation, data", "5, 'a'"},
      {"key, data", "'', 'a'"},
      {"key, data", "convert_to(repeat('x', 1025), 'UTF8'), 'a'"},
      {"source_position, data", "repeat('x', 256), 'a'"},
      {"content_hash", "'short'"},
      {"content_hash", zeros},
      {"operation, content_hash", "2, " + zeros},
      {"operation, content_hash", "4, sha256('')"},
      {"operation, data", "4, ''"}};
  for (const auto& [columns, values] : nonsense) {
    stage(columns, values);
    stage("data", "'fine'");
    EXPECT_EQ(take(), 1U) << columns << " " << values;
  }
  EXPECT_EQ(notices(), std::to_string(nonsense.size()));

  // Alone, it is told of once the session comes back.
  stage("operation, data", "5, 'a'");
  EXPECT_EQ(take(), 0U);
  EXPECT_EQ(take(), 0U);
  EXPECT_EQ(take(), 0U);
  EXPECT_EQ(notices(), std::to_string(nonsense.size() + 1));
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.waiting()"), "0");

  stage("operation, key, content_hash", "3, '\\x000131', " + zeros);
  stage("operation, content_hash", "4, " + zeros);
  EXPECT_EQ(take(), 2U);
  EXPECT_EQ(notices(), std::to_string(nonsense.size() + 1));
}

}  // namespace
}  // namespace pgtally
