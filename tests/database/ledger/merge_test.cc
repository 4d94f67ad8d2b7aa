// In which order the rows of several sources come, and that both roads agree on it.
#include <gtest/gtest.h>

#include <algorithm>

#include "ledger/sequencer.h"
#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::must;
using test::TestSchema;
using Texts = std::vector<std::string>;

// Two polled sources with a time of their own.
class Merge : public testing::Test {
 protected:
  Merge() {
    for (const std::string name : {"a", "b"}) {
      ledger.psql("CREATE TABLE " + name + " (id int PRIMARY KEY, at timestamptz)");
      ledger.add_source(name, "public." + name, {"id"}, [](SourceRequest& r) { r.time = "at"; });
    }
  }
  TestSchema ledger;
};

TEST_F(Merge, goes_by_the_time_that_rows_claim_then_by_source) {
  ledger.psql(
      "INSERT INTO a VALUES (1, '2020-01-01'), (2, '2020-01-03'), (3, '2020-01-05');"
      "INSERT INTO b VALUES (1, '2020-01-02'), (2, '2020-01-03'), (3, '2020-01-04')");
  ledger.drain();
  EXPECT_EQ(ledger.rows(), (Texts{"a 1", "b 1", "a 2", "b 2", "b 3", "a 3"}));
}

TEST_F(Merge, keeps_a_sources_own_order_whatever_its_times_say) {
  ledger.psql(
      "INSERT INTO a VALUES (1, '2020-01-05'), (2, '2020-01-01'), (3, '2020-01-06');"
      "INSERT INTO b VALUES (1, '2020-01-02'), (2, '2020-01-05 01:00')");
  ledger.drain();
  EXPECT_EQ(ledger.rows(), (Texts{"b 1", "a 1", "a 2", "b 2", "a 3"}));
}

TEST_F(Merge, ignores_infinities_and_missing_times) {
  ledger.psql(
      "INSERT INTO a VALUES (1, '2020-01-01'), (2, 'infinity'), (3, '-infinity'), (4, NULL),"
      " (5, '2020-01-03'); INSERT INTO b VALUES (1, '2020-01-02')");
  ledger.drain();
  EXPECT_EQ(ledger.rows(), (Texts{"a 1", "a 2", "a 3", "a 4", "b 1", "a 5"}));
  EXPECT_EQ(ledger.psql("SELECT source_time FROM pgtally.processed_log WHERE source_id = 2 AND "
                        "operation = 1 ORDER BY ordinal OFFSET 1 LIMIT 3"),
            "infinity\n-infinity\n");
}

TEST_F(Merge, keeps_the_order_of_a_source_whose_first_rows_claim_no_time) {
  ledger.psql(
      "INSERT INTO a VALUES (1, NULL), (2, '-infinity'), (3, '2020-01-01'), (4, NULL);"
      "INSERT INTO b VALUES (1, '2020-01-02')");
  ledger.drain(2);
  EXPECT_EQ(ledger.keys_of("a"), (Texts{"1", "2", "3", "4"}));
  EXPECT_EQ(ledger.keys_of("b"), (Texts{"1"}));
}

TEST_F(Merge, lets_a_source_that_claims_the_future_wait_for_nobody_and_delay_nobody) {
  ledger.psql(
      "INSERT INTO a VALUES (1, '2999-01-01'), (2, '2020-01-01');"
      "INSERT INTO b VALUES (1, clock_timestamp()), (2, '2998-01-01')");
  ledger.drain();
  // Capped at now, all that come from the future are as late as now, and then the source counts.
  EXPECT_EQ(ledger.rows(), (Texts{"b 1", "a 1", "a 2", "b 2"}));
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.processed_log WHERE sequenced_at > now()"),
            "0");
}

TEST_F(Merge, takes_times_that_no_entry_can_hold_as_infinity) {
  ledger.psql("INSERT INTO a VALUES (1, '294276-12-31 23:59:59'), (2, '4713-01-01 BC')");
  ledger.psql(
      "CREATE TABLE d (id int PRIMARY KEY, day date); INSERT INTO d VALUES "
      "(1, '5874897-12-31'), (2, 'infinity'), (3, '-infinity'), (4, '2020-02-29')");
  ledger.add_source("d", "public.d", {"id"}, [](SourceRequest& r) { r.time = "day"; });
  ledger.drain();
  EXPECT_EQ(ledger.psql("SELECT source_time FROM pgtally.processed_log WHERE source_id = 4 AND "
                        "operation = 1 ORDER BY ordinal"),
            "infinity\ninfinity\n-infinity\n2020-02-29 00:00:00+00");
  EXPECT_EQ(ledger.psql("SELECT source_time FROM pgtally.processed_log WHERE source_id = 2 AND "
                        "operation = 1 ORDER BY ordinal"),
            "infinity\n4713-01-01 00:00:00+00 BC");
}

TEST_F(Merge, lets_no_source_wait_behind_the_backlog_of_another) {
  ledger.psql(
      "INSERT INTO a SELECT g, '2020-01-01' FROM generate_series(1, 1000) AS g;"
      "INSERT INTO b VALUES (1, now())");
  ledger.take(10);
  EXPECT_EQ(ledger.keys_of("b").size(), 1U);
}

// With a time of their own, and as long as neither source has a backlog beyond its share.
TEST(CrossSource, a_row_that_saw_another_never_comes_first) {
  for (const int max_rows : {1, 2, 3, 10000}) {
    const TestSchema ledger;
    for (const std::string name : {"late", "early"}) {
      ledger.create_xid_table(name, "at timestamptz NOT NULL DEFAULT clock_timestamp(),");
      ledger.add_source(name, "public." + name, {"id"}, [](SourceRequest& r) { r.time = "at"; });
      ledger.sweep(name);
    }
    // The one that is to come second holds the lower transaction id and the lower source number.
    auto second = ledger.connect();
    must(second.execute("BEGIN; SELECT pg_current_xact_id()"));
    ledger.psql("INSERT INTO early VALUES (1)");
    must(second.execute("INSERT INTO late SELECT id FROM early; COMMIT"));
    ledger.drain(max_rows);
    EXPECT_EQ(ledger.rows(), (Texts{"early 1", "late 1"})) << max_rows;
  }
}

// Everything that a row can be, in one database.
void fill(const TestSchema& ledger) {
  ledger.create_xid_table("x", "body text, at timestamptz DEFAULT clock_timestamp(),");
  ledger.psql(
      "CREATE TABLE p (id int PRIMARY KEY, amount numeric(20,4), flags bit(3), day date);"
      "CREATE TABLE t (name text, version text, sha bytea NOT NULL, PRIMARY KEY (name, version));"
      "CREATE TABLE \"Order Lines\" (\"select\" bigint PRIMARY KEY, here text, max_rows jsonb)");
  ledger.add_source("x", "public.x", {"id"}, [](SourceRequest& r) { r.time = "at"; });
  ledger.add_source("p", "public.p", {"id"}, [](SourceRequest& r) {
    r.time = "day";
    r.blind = false;
  });
  ledger.add_source("t", "public.t", {"name", "version"},
                    [](SourceRequest& r) { r.hash_column = "sha"; });
  ledger.add_source("lines", "public.\"Order Lines\"", {"select"});
  ledger.add_source("kept", "", {}, [](SourceRequest& r) { r.append = r.keep_data = true; });
  ledger.psql(
      "INSERT INTO x SELECT g, repeat('ä', g), CASE WHEN g % 7 <> 0 THEN now() - g * interval '1 "
      "s' END"
      "  FROM generate_series(1, 60) AS g;"
      "INSERT INTO p SELECT g * 3, g / 7.0, (g % 8)::bit(3), CASE WHEN g % 5 = 0 THEN 'infinity' "
      "ELSE "
      "  date '2024-01-01' + g END FROM generate_series(-20, 40) AS g;"
      "INSERT INTO t SELECT repeat('n', g * 40), g, sha256(g::text::bytea) FROM generate_series(1, "
      "50) g;"
      "INSERT INTO \"Order Lines\" SELECT g, NULLIF(g % 3, 0), '{\"a\": [1, null]}' "
      "  FROM generate_series(1, 30) AS g");
  for (int i = 0; i < 5; ++i) {
    ledger.psql(
        "INSERT INTO x SELECT g, NULL FROM generate_series(" + std::to_string(1000 + i * 10) +
        ", " + std::to_string(1004 + i * 10) +
        ") AS g;"
        "SELECT pgtally.append('row', 'kept'); SELECT pgtally.append('', 'append_only_log')");
  }
}

std::string entries(const test::Server& ledger) {
  return ledger.psql(
      "SELECT id, source_id, definition, ordinal, operation, key, source_position, "
      "source_time, content_hash, data FROM pgtally.processed_log ORDER BY id");
}
std::string progress(const test::Server& ledger) {
  return ledger.psql(
             "SELECT feed, cursor_key, high FROM (SELECT DISTINCT ON (feed) * FROM pgtally.capture "
             "ORDER BY feed, capture_id DESC) AS c ORDER BY feed") +
         ledger.psql("SELECT count(*) FROM pgtally.round");
}

class BothRoads : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(max_rows, BothRoads, testing::Values(5, 17, 10000));

TEST_P(BothRoads, give_the_same_entries_from_one_state) {
  const TestSchema in_sql;
  fill(in_sql);
  const test::TestDatabase fast;
  test::copy_database(in_sql.database(), fast);

  const auto run = [&](const test::Server& server, Road road) {
    auto connection = test::connect(server.conninfo());
    const Ledger ledger = must(Ledger::open(connection, "pgtally"));
    Sequencer sequencer(GetParam(), nullptr);
    const auto drain = [&] {
      while (true) {
        const BatchReport report = must(sequencer.take_next(ledger, road));
        ASSERT_EQ(report.outcome, pg::CommitOutcome::kCommitted);
        if (report.rows == 0) break;
      }
    };
    drain();
    for (const int source : {2, 4}) {
      must(ledger.execute("SELECT pgtally.sweep_step(" + std::to_string(source) + ", 1000)"));
      drain();
    }
  };
  run(in_sql, Road::kSql);
  run(fast, Road::kFast);
  const Texts a = test::lines(entries(in_sql));
  const Texts b = test::lines(entries(fast));
  EXPECT_EQ(a.size(), 7U + 85 + 61 + 50 + 30 + 10);
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_EQ(a[i], b[i]);
  EXPECT_EQ(progress(in_sql), progress(fast));
  EXPECT_EQ(in_sql.gaps(), "");
}

}  // namespace
}  // namespace pgtally
