// Rows that are on their way into the log accuse nobody, wherever they are on it.

#include "database/audit/row_audit_test.h"

namespace pgtally {
namespace {

using test::at_once;
using test::audit_rows;
using test::AuditedRows;
using test::must;
using test::TestSchema;
using Texts = std::vector<std::string>;

// "" or what an audit has to say.
std::string troubles(const AuditedRows& audited) {
  std::string out;
  for (const std::string& finding : audited.findings()) out += finding + "\n";
  return out + audited.undecided();
}

// One source in each local mode, a over table a and so on, and three rows in each.
class Window : public TestSchema, public testing::Test {
 public:
  Window() {
    create_xid_table("x", "note text,");
    for (const char* table : {"p", "t", "u"}) {
      psql(std::string("CREATE TABLE ") + table + " (id bigint PRIMARY KEY, note text)");
    }
    add_source("x", "x", {"id"});
    add_source("p", "p", {"id"}, [](SourceRequest& r) { r.mode = "poll"; });
    add_source("t", "t", {"id"}, [](SourceRequest& r) { r.mode = "trigger"; });
    add_source("u", "u", {"id"}, [](SourceRequest& r) {
      r.mode = "trigger";
      r.track_changes = true;
    });
    for (const char* source : {"x", "t", "u"}) sweep(source);
    insert(1, 3);
    drain();
    sweep("x");
  }
  void insert(int from, int to) const {
    for (const char* table : {"x", "p", "t", "u"}) {
      psql(std::string("INSERT INTO ") + table + " (id, note) SELECT g, 'n' FROM generate_series(" +
           std::to_string(from) + ", " + std::to_string(to) + ") AS g");
    }
    psql("SELECT pgtally.append('data')");
  }
};

TEST_F(Window, of_rows_that_wait_for_their_batch_is_decided_at_once) {
  insert(4, 50);
  EXPECT_EQ(troubles(audit_rows(*this, at_once())), "");
  EXPECT_EQ(audit_rows(*this, at_once()).source("x").rows, 50u);
}

TEST_F(Window, of_a_round_that_is_half_taken_is_decided_at_once) {
  insert(4, 50);
  for (int batch = 0; batch < 60; ++batch) {
    const auto taken = take(4);
    // What comes while the round is open belongs to the next one, and may stand before the cursor.
    if (batch % 5 == 0) insert(1000 + batch, 1000 + batch);
    ASSERT_EQ(troubles(audit_rows(*this, at_once())), "") << "after batch " << batch;
    if (taken == 0) break;
  }
}

TEST_F(Window, of_transactions_that_were_open_in_earlier_rounds_is_decided_at_once) {
  auto writer = connect();
  must(
      writer.execute("BEGIN; INSERT INTO x VALUES (100); INSERT INTO p VALUES (100);"
                     "INSERT INTO t VALUES (100); INSERT INTO u VALUES (100);"
                     "SELECT pgtally.append('data')"));
  insert(101, 140);
  (void)take(30);
  EXPECT_EQ(troubles(audit_rows(*this, at_once())), "");
  must(writer.execute("COMMIT"));
  EXPECT_EQ(troubles(audit_rows(*this, at_once())), "");
  for (int batch = 0; batch < 20; ++batch) {
    (void)take(10);
    ASSERT_EQ(troubles(audit_rows(*this, at_once())), "") << "after batch " << batch;
  }
}

TEST_F(Window, of_a_hole_is_decided_however_many_barriers_there_are) {
  auto writer = connect();
  must(writer.execute("BEGIN; INSERT INTO p VALUES (205)"));
  // Each batch with a new hole puts up a barrier behind the open transaction; of more than eight,
  // batches look only into some.
  for (int i = 0; i < 12; ++i) {
    psql("INSERT INTO p VALUES (" + std::to_string(210 + 2 * i) + ")");
    (void)take();
  }
  must(writer.execute("COMMIT"));
  EXPECT_EQ(troubles(audit_rows(*this, at_once())), "");
}

TEST_F(Window, of_what_is_deleted_and_updated_on_the_record_is_decided_at_once) {
  psql(
      "UPDATE u SET note = 'new' WHERE id = 1; DELETE FROM u WHERE id = 2;"
      "UPDATE u SET id = 9 WHERE id = 3");
  EXPECT_EQ(troubles(audit_rows(*this, at_once())), "");
  psql("TRUNCATE u; INSERT INTO u VALUES (2, 'again')");
  EXPECT_EQ(troubles(audit_rows(*this, at_once())), "");
  drain();
  EXPECT_EQ(troubles(audit_rows(*this, at_once())), "");
}

TEST_F(Window, leaves_open_what_was_staged_otherwise_than_it_is_now) {
  psql(
      "INSERT INTO u VALUES (7, 'a'), (8, 'b');"
      "SET session_replication_role = replica; ALTER TABLE u DISABLE TRIGGER ALL;"
      "UPDATE u SET note = 'x' WHERE id = 7; DELETE FROM u WHERE id = 8;"
      "ALTER TABLE u ENABLE TRIGGER ALL");
  const AuditedRows before = audit_rows(*this, at_once());
  EXPECT_EQ(before.findings(), Texts{});
  EXPECT_EQ(before.source("u").undecided, 2u);
  EXPECT_EQ(before.source("u").undecided_because, "it is not in the log yet");
  drain();
  const AuditedRows after = audit_rows(*this, at_once());
  EXPECT_EQ(after.findings(), (Texts{"changed u 7", "missing u 8"}));
  EXPECT_EQ(after.undecided(), "");
}

TEST_F(Window, of_a_paused_source_leaves_new_rows_open_and_finds_what_it_would_find_anyway) {
  auto connection = connect();
  const Ledger ledger = must(Ledger::open(connection, schema()));
  for (const char* name : {"x", "u"}) {
    const SourceInfo source = must(find_source(ledger, name));
    must(run_script(ledger, pause_script(ledger, source, true)));
  }
  psql(
      "INSERT INTO x VALUES (30); INSERT INTO u VALUES (30); UPDATE u SET note = 'x' WHERE id = 1");
  psql("DELETE FROM x WHERE id = 2");
  const AuditedRows audited = audit_rows(*this, at_once());
  EXPECT_EQ(audited.findings(), Texts{"missing x 2"});
  EXPECT_EQ(audited.undecided(), "u: the source is paused: 1 30; x: the source is paused: 30");
}

TEST_F(Window, of_a_failing_source_leaves_its_new_rows_open_and_says_since_when) {
  psql("ALTER TABLE p RENAME TO other; INSERT INTO t VALUES (40)");
  drain();
  psql("ALTER TABLE other RENAME TO p; INSERT INTO p VALUES (41)");
  const AuditedRows audited = audit_rows(*this, at_once());
  EXPECT_EQ(audited.findings(), Texts{});
  EXPECT_EQ(audited.source("p").undecided, 1u);
  EXPECT_TRUE(audited.source("p").undecided_because.starts_with("it fails since 2"))
      << audited.source("p").undecided_because;
}

TEST(WindowOfMissedRows, is_open_until_a_sweep_has_looked_for_them) {
  TestSchema ledger;
  ledger.psql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)");
  ledger.add_source("t", "t", {"id"}, [](SourceRequest& r) { r.mode = "trigger"; });
  ledger.sweep("t");
  ledger.psql(
      "ALTER TABLE t DISABLE TRIGGER ALL; INSERT INTO t VALUES (2);"
      "INSERT INTO pgtally.missed (source_id, for_good, sqlstate, message) VALUES (2, false, "
      "'XX000', '')");
  for (int round = 0; round < 2; ++round) {
    const AuditedRows audited = audit_rows(ledger, at_once());
    EXPECT_EQ(audited.findings(), Texts{});
    EXPECT_EQ(audited.source("t").undecided, 1u) << "batch " << round;
    ledger.drain();
  }
  ledger.sweep("t");
  EXPECT_EQ(troubles(audit_rows(ledger, at_once())), "");
}

// A snapshot does not keep these rows.
TEST(WindowOfRewrittenTables, accuses_nobody_of_what_was_truncated_or_detached_after_its_snapshot) {
  TestSchema ledger;
  ledger.psql(
      "CREATE TABLE a (id int PRIMARY KEY, v int); CREATE TABLE b (id int PRIMARY KEY, v int);"
      "CREATE TABLE c (id int PRIMARY KEY) PARTITION BY LIST (id);"
      "CREATE TABLE c1 PARTITION OF c FOR VALUES IN (1);"
      "INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1); INSERT INTO c VALUES (1)");
  for (const char* table : {"a", "b", "c"}) {
    ledger.add_source(table, table, {"id"}, [](SourceRequest& r) { r.mode = "poll"; });
  }
  ledger.drain();
  auto connection = ledger.connect();
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  must(connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1"));
  ledger.psql("TRUNCATE a; ALTER TABLE b ALTER v TYPE text; ALTER TABLE c DETACH PARTITION c1");
  const AuditedRows audited = test::audit_rows_within(opened, at_once());
  EXPECT_EQ(audited.findings(), Texts{});
  for (const char* table : {"a", "b", "c"}) {
    EXPECT_EQ(audited.source(table).undecided, 1u) << table;
    EXPECT_EQ(audited.source(table).undecided_because,
              "its table was truncated or rewritten while the log was read");
  }
  must(connection.execute("ROLLBACK"));
  EXPECT_EQ(audit_rows(ledger, at_once()).findings(), (Texts{"missing a 1", "missing c 1"}));
}

TEST(WindowOfAFirstLoad, is_open_until_the_first_sweep_has_ended) {
  TestSchema ledger;
  ledger.psql(
      "CREATE TABLE t (id bigint PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 30)");
  ledger.add_source("t", "t", {"id"}, [](SourceRequest& r) { r.mode = "trigger"; });
  EXPECT_EQ(audit_rows(ledger, at_once()).source("t").undecided, 30u);
  ledger.psql("SELECT pgtally.sweep_step(2, 10)");
  const AuditedRows half = audit_rows(ledger, at_once());
  EXPECT_EQ(half.findings(), Texts{});
  EXPECT_EQ(half.source("t").undecided, 20u);
  EXPECT_EQ(half.source("t").undecided_because,
            "its first rows are still being brought into the log");
  ledger.sweep("t");
  EXPECT_EQ(troubles(audit_rows(ledger, at_once())), "");
}

TEST(WindowOfSkippedRows, never_takes_them_for_rows_that_slipped_in) {
  TestSchema ledger;
  ledger.create_xid_table("x", "note text,");
  ledger.psql(
      "CREATE TABLE p (id bigint PRIMARY KEY); CREATE TABLE t (id bigint PRIMARY KEY);"
      "INSERT INTO x SELECT generate_series(1, 9); INSERT INTO p SELECT generate_series(1, 9);"
      "INSERT INTO t SELECT generate_series(1, 9)");
  for (const char* name : {"x", "p", "t"}) {
    ledger.add_source(name, name, {"id"}, [&](SourceRequest& r) {
      r.mode = *name == 'x' ? "xid" : *name == 'p' ? "poll" : "trigger";
      r.skip_existing = true;
    });
  }
  ledger.psql("INSERT INTO x VALUES (20); INSERT INTO p VALUES (20); INSERT INTO t VALUES (20)");
  ledger.drain();
  ledger.sweep("x");
  const AuditedRows audited = audit_rows(ledger, at_once());
  EXPECT_EQ(audited.findings(), Texts{});
  EXPECT_EQ(audited.source("x").undecided, 0u);
  EXPECT_EQ(audited.source("p").undecided, 0u);
  // A trigger's source has no way to tell.
  EXPECT_EQ(audited.source("t").undecided, 9u);
  ledger.psql(
      "SET session_replication_role = replica; ALTER TABLE x DROP CONSTRAINT x_xid_check;"
      "INSERT INTO x (id, xid) SELECT 21, xid FROM x WHERE id = 20; DELETE FROM x WHERE id = 20");
  EXPECT_EQ(audit_rows(ledger, at_once()).findings(), (Texts{"missing x 20", "unrecorded x 21"}));
}

TEST(WindowOfSweepsAlone, accuses_only_rows_that_claim_to_be_older_than_the_last_sweep) {
  TestSchema ledger;
  ledger.psql("CREATE TABLE p (code text PRIMARY KEY, at timestamptz)");
  ledger.add_source("p", "p", {"code"}, [](SourceRequest& r) {
    r.mode = "poll";
    r.time = "at";
  });
  ledger.psql("INSERT INTO p VALUES ('a', now())");
  ledger.sweep("p");
  ledger.psql(
      "INSERT INTO p VALUES ('new', now()), ('old', now() - interval '1 h'), ('none', NULL)");
  const AuditedRows audited = audit_rows(ledger, at_once());
  EXPECT_EQ(audited.findings(), Texts{"unrecorded p old"});
  EXPECT_EQ(audited.undecided(), "p: the next sweep looks for it: new none");
  ledger.sweep("p");
  EXPECT_EQ(troubles(audit_rows(ledger, at_once())), "");
}

TEST(WindowOfAppendedData, finds_what_was_changed_in_staging_and_beside_the_log) {
  TestSchema ledger;
  {
    auto connection = ledger.connect();
    const Ledger opened = must(Ledger::open(connection, "pgtally"));
    SourceRequest request;
    request.name = "kept";
    request.append = true;
    request.keep_data = true;
    must(add_source(opened, must(plan_source(opened, capture_modes(), request))));
  }
  ledger.psql(
      "SELECT pgtally.append(g::text::bytea) FROM generate_series(1, 5) AS g;"
      "SELECT pgtally.append(g::text::bytea, 'kept') FROM generate_series(1, 5) AS g");
  EXPECT_EQ(troubles(audit_rows(ledger, at_once())), "");
  ledger.drain();
  const AuditedRows before = audit_rows(ledger, at_once());
  EXPECT_EQ(troubles(before), "");
  EXPECT_TRUE(before.source("kept").content_checked);
  EXPECT_EQ(before.source("kept").rows, 5u);
  ledger.psql(
      "ALTER DOMAIN pgtally.staging_xid DROP CONSTRAINT xid_is_the_writers_own;"
      "ALTER TABLE pgtally.append_only_log DISABLE TRIGGER ALL;"
      "ALTER TABLE pgtally.processed_log DISABLE TRIGGER ALL;"
      "UPDATE pgtally.append_only_log SET data = 'x' WHERE id = 2;"
      "DELETE FROM pgtally.append_only_log WHERE id = 4;"
      "UPDATE pgtally.processed_log SET data = 'x' WHERE key = '\\x000137'::bytea");
  EXPECT_EQ(audit_rows(ledger, at_once()).findings(),
            (Texts{"changed append_only_log 2", "changed kept 7", "missing append_only_log 4"}));
}

TEST(WindowOfAppendedData, does_not_miss_what_was_pruned) {
  TestSchema ledger;
  ledger.psql("SELECT pgtally.append(g::text::bytea) FROM generate_series(1, 5) AS g");
  ledger.drain();
  ledger.psql(
      "INSERT INTO pgtally.pruning (since) SELECT since FROM pgtally.round ORDER BY round_id DESC "
      "LIMIT 1; ALTER TABLE pgtally.append_only_log DISABLE TRIGGER ALL;"
      "DELETE FROM pgtally.append_only_log WHERE id < 4");
  EXPECT_EQ(troubles(audit_rows(ledger, at_once())), "");
}

}  // namespace
}  // namespace pgtally
