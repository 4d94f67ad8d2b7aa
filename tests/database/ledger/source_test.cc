// Tables as sources: their names, keys, hash columns, partitions, and the rows that were there
// before.
#include <gtest/gtest.h>

#include "ledger/sequencer.h"
#include "ledger/sweeper.h"
#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::error_of;
using test::must;
using test::TestSchema;
using Texts = std::vector<std::string>;

TEST(Source, may_have_any_name_that_sql_can_quote) {
  const TestSchema ledger;
  ledger.psql("CREATE SCHEMA \"My Schema\"");
  const std::vector<std::pair<std::string, std::string>> names{
      {"public.\"Order Lines\"", "Line No"},
      {"public.\"select\"", "from"},
      {"\"My Schema\".\"größe\"", "schlüssel"},
      {"public.max_rows", "max_rows"},
      {"public.here", "here"},
      {"public.r", "progress"},
      {"public.w", "w"},
      {"public.t", "t"},
      {"public.\"qu\"\"ote\"", "a\"b"},
      {"public.\"it's\"", "it's"},
      {"public.\"%s {} $1\"", "%I {0} $2"},
      {"public.\"$pgtally$\"", "$pgtally$"},
      {"public.\"a\\b\"", "\\x"},
      {"public.high", "high"},
      {"public.most", "after"},
      {"public.\"pgtally.x\"", "pgtally.y"}};
  int n = 0;
  for (const auto& [table, column] : names) {
    std::string quoted = column;
    for (std::size_t at = 0; (at = quoted.find('"', at)) != std::string::npos; at += 2)
      quoted.insert(at, 1, '"');
    quoted = "\"" + quoted + "\"";
    const std::string polled = "s" + std::to_string(++n);
    ledger.psql("CREATE TABLE " + table + " (" + quoted + " bigint PRIMARY KEY, x text)");
    ledger.add_source(polled, table, {column});
    ledger.psql("INSERT INTO " + table + " VALUES (1, 'a'), (3, 'b')");
    EXPECT_EQ(ledger.drain(1), 2) << table;
    ledger.psql("INSERT INTO " + table + " VALUES (2, 'a')");
    ledger.drain();
    ledger.sweep(polled, 2);
    EXPECT_EQ(ledger.keys_of(polled), (Texts{"1", "3", "2"})) << table;

    // The same table under a key and an xid of its own.
    const std::string by_xid = "x" + std::to_string(n);
    ledger.psql("ALTER TABLE " + table +
                " ADD xid xid8 NOT NULL DEFAULT pg_current_xact_id();"
                "ALTER TABLE " +
                table +
                " ADD CHECK (xid = pg_current_xact_id()) NOT VALID;"
                "CREATE INDEX ON " +
                table + " (xid, " + quoted + ")");
    ledger.add_source(by_xid, table, {column}, [](SourceRequest& r) { r.mode = "xid"; });
    ledger.psql("INSERT INTO " + table + " VALUES (10, 'a'), (11, NULL)");
    ledger.drain(1);
    ledger.sweep(by_xid, 2);
    EXPECT_EQ(ledger.keys_of(by_xid), (Texts{"10", "11", "1", "2", "3"})) << table;
    ledger.psql("UPDATE pgtally.source SET state = 'paused' WHERE source_id > 1");
  }
  EXPECT_EQ(ledger.gaps(), "");
}

TEST(Source, may_stand_in_a_ledger_of_another_schema) {
  const TestSchema ledger("test.example/pgtally.other", "other_one");
  ledger.psql("CREATE TABLE p (id int PRIMARY KEY)");
  ledger.add_source("p", "public.p", {"id"});
  ledger.psql("INSERT INTO p VALUES (1), (2); SELECT other_one.append('x')");
  EXPECT_EQ(ledger.drain(), 3);
  ledger.sweep("p");
  EXPECT_EQ(
      ledger.psql("SELECT count(*) FROM pg_proc WHERE pronamespace = 'other_one'::regnamespace AND "
                  "(prosrc ~ 'pgtally\\.(source|round|processed|append|capture)')"),
      "0");
}

TEST(Source, may_be_partitioned) {
  const TestSchema ledger;
  ledger.psql(
      "CREATE TABLE p (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);"
      "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');"
      "CREATE TABLE q (id int PRIMARY KEY) PARTITION BY HASH (id);"
      "CREATE TABLE q1 PARTITION OF q FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
      "CREATE TABLE q2 PARTITION OF q FOR VALUES WITH (MODULUS 2, REMAINDER 1)");
  ledger.add_source("p", "public.p", {"id", "at"});
  ledger.add_source("q", "public.q", {"id"});
  ledger.psql(
      "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');"
      "INSERT INTO p VALUES (1, '2024-01-05'); INSERT INTO p2 VALUES (2, '2024-02-05');"
      "INSERT INTO q SELECT generate_series(1, 20)");
  ledger.sweep("p");
  EXPECT_EQ(ledger.psql(
                "SELECT count(*) FROM pgtally.processed_log WHERE source_id = 2 AND operation = 1"),
            "2");
  EXPECT_EQ(ledger.keys_of("q").size(), 20U);
}

TEST(Source, with_a_hash_column_records_it_and_stops_at_what_is_no_hash) {
  const TestSchema ledger;
  ledger.psql("CREATE TABLE h (id int PRIMARY KEY, sha bytea NOT NULL)");
  ledger.add_source("h", "public.h", {"id"}, [](SourceRequest& r) {
    r.hash_column = "sha";
    r.blind = false;
  });
  ledger.psql("INSERT INTO h VALUES (1, sha256('a'))");
  ledger.drain();
  EXPECT_EQ(
      ledger.psql("SELECT content_hash = sha256('a') FROM pgtally.processed_log WHERE id = 3"),
      "t");
  for (const std::string wrong :
       {"'\\x00'", "''", "repeat('x', 33)::bytea", "decode(repeat('00', 32), 'hex')"}) {
    ledger.psql("INSERT INTO h VALUES (2, " + wrong + ")");
    EXPECT_EQ(ledger.take(), 0);
    EXPECT_EQ(ledger.psql("SELECT sqlstate || ' ' || message FROM pgtally.failure"),
              "TLO03 the hash column of source \"h\" does not hold a hash of 32 bytes in row {2}")
        << wrong;
    ledger.psql("DELETE FROM h WHERE id = 2; UPDATE pgtally.failure SET retry_at = now()");
    ledger.take();
  }
  ledger.psql("INSERT INTO h VALUES (2, sha256('b'))");
  EXPECT_EQ(ledger.drain(), 1);
}

TEST(Source, is_refused_where_its_rows_could_not_be_told_apart_or_read) {
  const TestSchema ledger;
  ledger.psql(
      "CREATE TABLE t (id int, b int NOT NULL, UNIQUE (id)); CREATE UNIQUE INDEX ON t (b) WHERE b "
      "> 0;"
      "CREATE VIEW v AS SELECT 1 AS id; CREATE UNLOGGED TABLE u (id int PRIMARY KEY);"
      "CREATE TABLE late (id int PRIMARY KEY DEFERRABLE);"
      "CREATE TABLE ok (id int PRIMARY KEY, h bytea, n int NOT NULL)");
  const auto refused = [&](const std::string& table, const Texts& key,
                           const std::function<void(SourceRequest&)>& change = {}) {
    return error_of(ledger.try_add_source("x", table, key, change)).code == ErrorCode::kReject;
  };
  EXPECT_TRUE(refused("public.t", {"id"}));  // may be null
  EXPECT_TRUE(refused("public.t", {"b"}));   // unique in part only
  EXPECT_TRUE(refused("public.v", {"id"}));
  EXPECT_TRUE(refused("public.u", {"id"}));
  EXPECT_TRUE(refused("public.late", {"id"}));
  EXPECT_TRUE(refused("public.none", {"id"}));
  EXPECT_TRUE(refused("public.ok", {"nope"}));
  EXPECT_TRUE(refused("public.ok", {"id", "id"}));
  EXPECT_TRUE(refused("public.ok", {"id"}, [](SourceRequest& r) { r.hash_column = "h"; }));
  EXPECT_TRUE(refused("public.ok", {"id"}, [](SourceRequest& r) { r.time = "n"; }));
  EXPECT_TRUE(refused("public.ok", {"id"}, [](SourceRequest& r) { r.mode = "xid"; }));
  EXPECT_TRUE(refused("public.ok", {"id"}, [](SourceRequest& r) { r.mode = "magic"; }));
  EXPECT_TRUE(refused("public.ok", {"id"}, [](SourceRequest& r) { r.name = "pgtally"; }));
  EXPECT_TRUE(refused("public.ok", {"id"}, [](SourceRequest& r) { r.name = "Bad Name"; }));
  ledger.add_source("x", "public.ok", {"id"});
  EXPECT_TRUE(refused("public.ok", {"id"}));  // the name is taken
}

TEST(FirstSweep, takes_rows_that_were_there_and_goes_on_where_it_was_cut_off) {
  const TestSchema ledger;
  ledger.create_xid_table("x");
  ledger.psql(
      "INSERT INTO x SELECT generate_series(1, 50); CREATE TABLE t (name text COLLATE \"C\" "
      "PRIMARY KEY);"
      "INSERT INTO t SELECT 'n' || g FROM generate_series(1, 50) AS g");
  ledger.add_source("x", "public.x", {"id"});
  ledger.add_source("t", "public.t", {"name"});
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  for (int i = 0; i < 4; ++i) {
    ledger.psql("SELECT pgtally.sweep_step(2, 9); SELECT pgtally.sweep_step(3, 9)");
    ledger.psql(
        "BEGIN; SELECT pgtally.sweep_step(2, 9); SELECT pgtally.sweep_step(3, 9); ROLLBACK");
    ledger.psql("INSERT INTO x VALUES (" + std::to_string(100 + i) + ")");
    ledger.drain(5);
  }
  EXPECT_TRUE(must(sweep_targets(opened))[0].first);
  ledger.sweep("x", 9);
  ledger.sweep("t", 9);
  EXPECT_FALSE(must(sweep_targets(opened))[0].first);
  ledger.sweep("x");
  ledger.sweep("t");
  EXPECT_EQ(ledger.keys_of("x").size(), 54U);
  EXPECT_EQ(ledger.keys_of("t").size(), 50U);
  EXPECT_EQ(
      ledger.psql("SELECT count(*) - count(DISTINCT (source_id, key)) FROM pgtally.processed_log "
                  "WHERE operation = 1"),
      "0");
}

// A transaction that was open when the source was added, and one that was open when it was swept.
TEST(FirstSweep, and_the_rounds_leave_no_row_between_them_and_take_none_twice) {
  const TestSchema ledger;
  ledger.create_xid_table("x");
  ledger.psql("INSERT INTO x VALUES (1)");
  auto before = ledger.connect();
  must(before.execute("BEGIN; INSERT INTO x VALUES (2)"));
  ledger.add_source("x", "public.x", {"id"});
  auto during = ledger.connect();
  must(during.execute("BEGIN; INSERT INTO x VALUES (3)"));
  ledger.psql("INSERT INTO x VALUES (4)");
  ledger.psql("SELECT pgtally.sweep_step(2, 10)");
  must(before.execute("COMMIT"));
  ledger.drain(1);
  must(during.execute("COMMIT"));
  ledger.drain(1);
  ledger.sweep("x");
  auto keys = ledger.keys_of("x");
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(keys, (Texts{"1", "2", "3", "4"}));
}

TEST(Sweep, finds_new_rows_of_a_text_key_before_and_behind_where_it_stands_once) {
  const TestSchema ledger;
  ledger.psql("CREATE TABLE t (name text PRIMARY KEY)");
  ledger.add_source("t", "public.t", {"name"});
  ledger.psql("INSERT INTO t VALUES ('d'), ('h'), ('m')");
  ledger.psql("SELECT pgtally.sweep_step(2, 2)");
  ledger.psql("INSERT INTO t VALUES ('a'), ('z')");
  ledger.sweep("t", 2);
  ledger.sweep("t", 2);
  auto keys = ledger.keys_of("t");
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(keys, (Texts{"a", "d", "h", "m", "z"}));
}

}  // namespace
}  // namespace pgtally
