// What the catalog says about tables that are to be sources, and what is refused or warned of.
#include <gtest/gtest.h>

#include "ledger/registered.h"
#include "ledger/server_check.h"
#include "ledger/session_settings.h"
#include "ledger/table_check.h"
#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::error_of;
using test::must;
using test::TestSchema;
using Texts = std::vector<std::string>;

bool contains(const Texts& texts, const std::string& part) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return text.find(part) != std::string::npos; });
}

class Plan : public ::testing::Test {
 protected:
  // Of a table without anything said about it, but for the mode: what there is besides poll depends
  // on the server.
  Result<SourcePlan> plan(const std::string& table, const std::string& mode = "poll",
                          const Texts& key = {}) const {
    auto connection = schema_.connect();
    TRY(const Ledger ledger, Ledger::open(connection, schema_.schema()));
    SourceRequest request;
    request.name = "s";
    request.table = table;
    request.mode = mode;
    request.key = key;
    return plan_source(ledger, capture_modes(), request);
  }
  std::string refusal(const std::string& table, const std::string& mode = "poll",
                      const Texts& key = {}) const {
    const Error error = error_of(plan(table, mode, key));
    return error.message + "\n" + error.hint;
  }
  void psql(const std::string& sql) const { schema_.psql(sql); }

  TestSchema schema_;
};

TEST_F(Plan, uses_the_tables_own_key_and_says_so) {
  psql(
      "CREATE TABLE a (id int PRIMARY KEY, code text NOT NULL UNIQUE);"
      "CREATE TABLE b (x text NOT NULL, y int NOT NULL, z int UNIQUE, UNIQUE (y, x))");
  EXPECT_EQ(must(plan("a")).definition.key, Texts{"id"});
  EXPECT_EQ(must(plan("a")).key_why, "its primary key");
  EXPECT_EQ(must(plan("b")).definition.key, (Texts{"y", "x"}));
  EXPECT_EQ(must(plan("b")).key_why, "its only unique key");
  EXPECT_EQ(must(plan("a", "poll", {"code"})).key_why, "");
}

TEST_F(Plan, says_of_each_unique_index_why_it_is_no_key) {
  psql(
      "CREATE TABLE a (p int NOT NULL, e text NOT NULL, d int NOT NULL UNIQUE DEFERRABLE,"
      " n int UNIQUE);"
      "CREATE UNIQUE INDEX part ON a (p) WHERE p > 0; CREATE UNIQUE INDEX expr ON a (lower(e))");
  for (const Texts& key : {Texts{"p"}, Texts{"e"}, Texts{"d"}}) {
    const std::string said = refusal("a", "poll", key);
    EXPECT_NE(said.find("part: it is partial"), std::string::npos) << said;
    EXPECT_NE(said.find("expr: it is over an expression"), std::string::npos) << said;
    EXPECT_NE(said.find("a_d_key: it is deferrable"), std::string::npos) << said;
  }
  EXPECT_NE(refusal("a", "poll", {"n"}).find("may be null"), std::string::npos);
  EXPECT_NE(refusal("a").find("has no key"), std::string::npos);
}

TEST_F(Plan, refuses_what_rows_are_not_stored_in_for_good) {
  psql(
      "CREATE TABLE t (id int PRIMARY KEY); CREATE VIEW v AS SELECT * FROM t;"
      "CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE UNLOGGED TABLE u (id int PRIMARY KEY);"
      "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
      "CREATE FOREIGN TABLE f (id int NOT NULL) SERVER s;"
      "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      "CREATE UNLOGGED TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);"
      "CREATE TABLE h (id int PRIMARY KEY); CREATE TABLE h1 () INHERITS (h)");
  EXPECT_NE(refusal("v").find("Views and foreign tables"), std::string::npos);
  EXPECT_NE(refusal("m").find("Views and foreign tables"), std::string::npos);
  EXPECT_NE(refusal("f").find("Views and foreign tables"), std::string::npos);
  EXPECT_NE(refusal("u").find("SET LOGGED"), std::string::npos);
  EXPECT_NE(refusal("p").find("public.p1"), std::string::npos);
  EXPECT_NE(refusal("h").find("inherit from public.h"), std::string::npos);
  EXPECT_NE(refusal("pgtally.checkpoint").find("belongs to the ledger"), std::string::npos);
  EXPECT_NE(refusal("pg_catalog.pg_class").find("system table"), std::string::npos);
}

TEST_F(Plan, refuses_a_partition_beside_its_parent_and_the_parent_beside_it) {
  psql(
      "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9) PARTITION BY RANGE (id);"
      "CREATE TABLE p11 PARTITION OF p1 FOR VALUES FROM (0) TO (5);"
      "CREATE TABLE q (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      "CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (0) TO (9)");
  const auto polled = [](SourceRequest& r) { r.mode = "poll"; };
  schema_.add_source("parent", "p", {"id"}, polled);
  EXPECT_NE(refusal("p11").find("is a partition of public.p"), std::string::npos);
  schema_.add_source("leaf", "q1", {"id"}, polled);
  EXPECT_NE(refusal("q").find("through it already"), std::string::npos);
}

TEST_F(Plan, warns_of_a_table_that_is_a_source_already) {
  psql("CREATE TABLE t (id int PRIMARY KEY)");
  const auto polled = [](SourceRequest& r) { r.mode = "poll"; };
  EXPECT_FALSE(contains(must(plan("t")).warnings, "already"));
  schema_.add_source("first", "t", {"id"}, polled);
  EXPECT_TRUE(contains(must(plan("t")).warnings, "source first is this table already"));
}

TEST_F(Plan, counts_updates_of_partitions_for_their_parent) {
  psql(
      "CREATE TABLE p (id int PRIMARY KEY, x int) PARTITION BY RANGE (id);"
      "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);"
      "INSERT INTO p VALUES (1, 1); UPDATE p SET x = 2; DELETE FROM p");
  // Statistics arrive when the session that made them has ended.
  for (int tries = 0; tries < 600; ++tries) {
    if (contains(must(plan("p")).warnings, "updated 1 and deleted 1 times")) return;
    test::connect(schema_.conninfo());
    schema_.psql("SELECT pg_stat_clear_snapshot(), pg_sleep(0.05)");
  }
  FAIL() << "no warning in 30 s";
}

TEST_F(Plan, refuses_a_table_that_the_ledgers_owner_cannot_see_all_of) {
  const std::string owner = schema_.database().name() + "_owner";
  psql("CREATE ROLE " + owner +
       "; CREATE TABLE t (id int PRIMARY KEY);"
       "ALTER SCHEMA pgtally OWNER TO " +
       owner);
  EXPECT_NE(refusal("t").find("GRANT SELECT ON public.t TO"), std::string::npos);
  EXPECT_EQ(error_of(plan("t")).code, ErrorCode::kOperator);
  psql("GRANT SELECT ON t TO " + owner);
  must(plan("t"));
  psql("ALTER TABLE t ENABLE ROW LEVEL SECURITY");
  EXPECT_NE(refusal("t").find("BYPASSRLS"), std::string::npos);
  psql("ALTER ROLE " + owner + " BYPASSRLS");
  must(plan("t"));
  psql("ALTER ROLE " + owner + " NOBYPASSRLS; ALTER TABLE t OWNER TO " + owner);
  must(plan("t"));
  psql("ALTER TABLE t FORCE ROW LEVEL SECURITY");
  EXPECT_NE(refusal("t").find("row level security"), std::string::npos);
  psql("ALTER SCHEMA pgtally OWNER TO CURRENT_USER; DROP OWNED BY " + owner);
}

TEST_F(Plan, checks_tables_where_there_is_no_ledger) {
  const test::TestDatabase empty;
  empty.psql(
      "CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE a (x int);"
      "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9); CREATE VIEW v AS SELECT 1");
  auto connection = test::connect(empty.conninfo());
  must(prepare_session(connection));
  SourcePlace place{&connection, "pgtally", "", must(read_server_facts(connection)), false};
  place.reader = place.server.user;
  EXPECT_EQ(must(list_tables(place)), (Texts{"public.a", "public.b", "public.p"}));
  const TableReport good = must(check_table(place, capture_modes(), "b"));
  ASSERT_TRUE(good.plan.has_value());
  EXPECT_EQ(good.table, "public.b");
  EXPECT_EQ(good.plan->definition.mode, "poll");
  EXPECT_TRUE(must(check_table(place, capture_modes(), "none")).refusal.has_value());
  EXPECT_TRUE(must(check_table(place, capture_modes(), "v")).refusal.has_value());
}

TEST(ServerCheck, stops_where_no_ledger_can_be_and_notes_what_only_some_modes_need) {
  ServerFacts facts;
  facts.version_number = 150000;
  facts.encoding = "UTF8";
  facts.wal_level = "replica";
  facts.may_create = true;
  EXPECT_TRUE(can_carry_ledger(judge_server(facts)));
  const auto stops = [&](auto change) {
    ServerFacts worse = facts;
    change(worse);
    return !can_carry_ledger(judge_server(worse));
  };
  EXPECT_TRUE(stops([](ServerFacts& f) { f.version_number = 130010; }));
  EXPECT_TRUE(stops([](ServerFacts& f) { f.encoding = "LATIN1"; }));
  EXPECT_TRUE(stops([](ServerFacts& f) { f.standby = true; }));
  EXPECT_TRUE(stops([](ServerFacts& f) { f.may_create = false; }));
  facts.may_create = false;
  EXPECT_TRUE(can_carry_ledger(judge_server(facts, true)));
}

TEST_F(Plan, tells_a_request_from_the_source_that_there_is) {
  psql("CREATE TABLE t (id int PRIMARY KEY, a text, b text, at timestamptz)");
  schema_.add_source("t", "t", {"id"}, [](SourceRequest& r) {
    r.mode = "poll";
    r.exclude = {"b"};
    r.time = "at";
  });
  auto connection = schema_.connect();
  const Ledger ledger = must(Ledger::open(connection, schema_.schema()));
  const auto registered = must(read_registered(ledger));
  ASSERT_EQ(registered.size(), 1U);
  SourceRequest same;
  same.name = "t";
  same.exclude = {"b"};
  same.time = "at";
  const auto compare = [&](auto change, const std::string& relation = "public.t") {
    SourceRequest request = same;
    change(request);
    return differences(registered[0], request, relation);
  };
  EXPECT_EQ(compare([](SourceRequest&) {}), Texts{});
  EXPECT_EQ(compare([](SourceRequest& r) { r.columns = {"at", "a", "id"}, r.exclude = {}; }),
            Texts{});
  EXPECT_EQ(compare([](SourceRequest& r) { r.exclude = {}; }), Texts{"exclude is b, not nothing"});
  EXPECT_EQ(compare([](SourceRequest& r) { r.key = {"a"}; }), Texts{"key is id, not a"});
  EXPECT_EQ(compare([](SourceRequest& r) { r.mode = "xid"; }), Texts{"mode is poll, not xid"});
  EXPECT_EQ(compare([](SourceRequest& r) { r.time = ""; }), Texts{"time is at, not nothing"});
  EXPECT_EQ(compare([](SourceRequest& r) { r.blind = false; }), Texts{"blind is true, not false"});
  EXPECT_EQ(compare([](SourceRequest& r) { r.skip_existing = true; }),
            Texts{"existing is record, not skip"});
  EXPECT_EQ(compare([](SourceRequest&) {}, "public.u"), Texts{"table is public.t, not public.u"});
  EXPECT_EQ(compare([](SourceRequest& r) { r.append = true; }), Texts{"append is false, not true"});
}

}  // namespace
}  // namespace pgtally
