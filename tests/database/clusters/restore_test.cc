// A ledger that is dumped in the middle of its work and restored into another cluster.
#include <gtest/gtest.h>

#include <set>

#include "clusters.h"
#include "ledger/settle.h"

namespace pgtally {
namespace {

using test::ClusterLedger;
using test::must;
using test::OpenTransaction;
using test::TestCluster;
using test::TestDirectory;
using test::write;

struct Counter {
  const char* name;
  int burned;  // ids of the new cluster, before the restore
};
class Restore : public testing::TestWithParam<Counter> {};
INSTANTIATE_TEST_SUITE_P(xids_of_the_new_cluster_are, Restore,
                         testing::Values(Counter{"lower", 0}, Counter{"the_same", 2600},
                                         Counter{"higher", 10000}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(Restore, into_another_cluster_loses_no_row_and_records_none_twice) {
  const TestDirectory directory;
  const std::string file = directory.path() / "ledger.dump";
  ClusterLedger ledger;
  test::burn_xids(ledger.database(), 3000);
  test::create_sources(ledger.database());
  test::work(ledger);
  test::dump(ledger.database(), file);

  const TestCluster there;
  test::burn_xids(there, GetParam().burned);
  test::restore(file, there);
  // Applications are there before the service is. These ids were all taken long ago, or are to come.
  write(there, 5);
  OpenTransaction open(there);
  open.execute("INSERT INTO paid (note) VALUES ('across')");
  open.execute("INSERT INTO seen (note) VALUES ('across')");
  open.execute("INSERT INTO told (note) VALUES ('across')");
  open.execute("INSERT INTO pgtally.append_only_log (data) VALUES ('across')");
  write(there, 5);

  must(ledger.run_once_on(there));
  open.commit();
  write(there, 5);
  must(ledger.run_once_on(there));
  EXPECT_EQ(test::what_is_wrong(there), "");

  // The new cluster comes to the ids that rows from the old one carry.
  for (int i = 0; i < 8; ++i) {
    test::burn_xids(there, 500);
    write(there, 2);
    must(ledger.run_once_on(there));
  }
  test::sweep(there, "paid");
  test::sweep(there, "seen");
  must(ledger.run_once_on(there));
  if (std::string(GetParam().name) == "the_same") {
    EXPECT_NE(there.psql("SELECT count(*) FROM (SELECT FROM paid GROUP BY xid HAVING count(*) > 3) "
                         "AS shared"),
              "0")
        << "no id was given out in both clusters";
  }
  EXPECT_EQ(test::what_is_wrong(there), "");
  EXPECT_EQ(there.psql("SELECT coalesce(sum(waiting_rows), 0) FROM pgtally.waiting()"), "0");
}

bool settled(const test::Server& server) {
  auto connection = test::connect(server.conninfo());
  return must(settle(must(Ledger::open(connection, "pgtally")))).has_value();
}

// A ledger in another cluster, with everything still to be done there.
class Restored {
 public:
  Restored() {
    test::burn_xids(ledger_.database(), 3000);
    test::create_sources(ledger_.database());
    test::work(ledger_);
    test::dump(ledger_.database(), file());
  }
  [[nodiscard]] const ClusterLedger& ledger() const { return ledger_; }
  [[nodiscard]] const TestCluster& there() const { return there_; }
  [[nodiscard]] std::string file() const { return directory_.path() / "ledger.dump"; }
  [[nodiscard]] std::string log_size() const {
    return there_.psql("SELECT count(*) FROM pgtally.processed_log");
  }

 private:
  TestDirectory directory_;
  ClusterLedger ledger_;
  TestCluster there_;
};

TEST(Settling, goes_on_where_it_was_killed) {
  const Restored restored;
  const TestCluster& there = restored.there();
  test::restore(restored.file(), there);
  write(there, 2);
  const std::string step = "SELECT moved, done, recorded FROM pgtally.settle_step()";
  EXPECT_EQ(there.psql("BEGIN; " + step + "; ROLLBACK; " + step), "t|f|72");
  write(there, 2);
  EXPECT_EQ(there.psql("BEGIN; " + step + "; ROLLBACK; SELECT pgtally.is_at_home()"), "f");
  write(there, 2);
  EXPECT_EQ(there.psql(step), "t|t|0");
  EXPECT_EQ(there.psql(step), "f|t|0");
  must(restored.ledger().run_once_on(there));
  EXPECT_EQ(test::what_is_wrong(there), "");
}

TEST(Settling, is_done_by_whoever_takes_batches_in_plain_sql) {
  const Restored restored;
  const TestCluster& there = restored.there();
  test::restore(restored.file(), there);
  const std::string size = restored.log_size();
  EXPECT_EQ(there.psql("SELECT pgtally.process_next_batch()"), "0");
  EXPECT_EQ(there.psql("SELECT pgtally.is_at_home()"), "f");
  EXPECT_EQ(restored.log_size(), size);
  EXPECT_EQ(there.psql("SELECT pgtally.process_next_batch()"), "0");
  EXPECT_EQ(there.psql("SELECT pgtally.is_at_home()"), "t");
  EXPECT_NE(there.psql("SELECT pgtally.process_next_batch()"), "0");
  must(restored.ledger().run_once_on(there));
  EXPECT_EQ(test::what_is_wrong(there), "");
}

TEST(Settling, comes_before_sweeps_and_new_definitions) {
  const Restored restored;
  const TestCluster& there = restored.there();
  test::restore(restored.file(), there);
  for (const char* call : {"sweep_step(2, 10)", "define(2, 1, 'document')", "open_batch()"}) {
    EXPECT_EQ(there.psql_error(std::string("SELECT pgtally.") + call).substr(0, 5), "TLY02")
        << call;
  }
}

TEST(Settling, waits_for_the_end_of_a_restore) {
  const Restored restored;
  const TestCluster& there = restored.there();
  test::restore(restored.file(), there, {"--section=pre-data", "--section=data"});
  const std::string size = restored.log_size();
  EXPECT_EQ(there.psql_error("SELECT pgtally.process_next_batch()").substr(0, 5), "TLY04");
  EXPECT_EQ(restored.log_size(), size);
  test::restore(restored.file(), there, {"--section=post-data"});
  must(restored.ledger().run_once_on(there));
  EXPECT_EQ(test::what_is_wrong(there), "");
}

// Its snapshots, too, speak of the other cluster.
TEST(Settling, leaves_nothing_for_pruning_that_no_checkpoint_covers) {
  const Restored restored;
  const TestCluster& there = restored.there();
  test::restore(restored.file(), there);
  const auto prune = [&] { return there.psql("SELECT pgtally.prune()"); };
  write(there, 20);
  EXPECT_EQ(prune(), "0");
  ASSERT_TRUE(settled(there));
  write(there, 20);
  EXPECT_EQ(prune(), "0");
  must(restored.ledger().run_once_on(there));
  write(there, 20);
  EXPECT_NE(prune(), "0");
  EXPECT_EQ(prune(), "0");
  must(restored.ledger().run_once_on(there));
  // 90 of thirty transactions before the dump, and 180 after it.
  EXPECT_EQ(there.psql("SELECT count(*), count(DISTINCT source_position) FROM "
                       "pgtally.processed_log WHERE source_id = 1 AND operation = 1"),
            "270|270");
}

// Written elsewhere, with ids that this cluster has not come to yet.
TEST(Sweep, finds_the_rows_of_another_cluster_in_a_partition_that_was_attached) {
  const test::TestSchema ledger;
  const std::string shape = "(id bigint NOT NULL, xid xid8 NOT NULL DEFAULT pg_current_xact_id()) ";
  const std::string check = " ADD CONSTRAINT own CHECK (xid = pg_current_xact_id()) NOT VALID;";
  ledger.psql("CREATE TABLE paid " + shape +
              "PARTITION BY RANGE (id);"
              "ALTER TABLE paid ADD PRIMARY KEY (id); CREATE INDEX ON paid (xid, id);"
              "CREATE TABLE paid_1 PARTITION OF paid FOR VALUES FROM (0) TO (100);"
              "ALTER TABLE paid" +
              check);
  ledger.add_source("paid", "public.paid", {"id"});
  ledger.psql("INSERT INTO paid SELECT g FROM generate_series(1, 10) AS g");
  ledger.sweep("paid");
  ledger.psql(
      "CREATE TABLE paid_2 " + shape +
      ";INSERT INTO paid_2 SELECT g, (pg_current_xact_id()::text::bigint + 50 + g)::text::xid8 "
      "FROM generate_series(100, 119) AS g;"
      "ALTER TABLE paid_2" +
      check + "ALTER TABLE paid ATTACH PARTITION paid_2 FOR VALUES FROM (100) TO (200)");
  EXPECT_EQ(ledger.drain(), 0);
  ledger.sweep("paid");
  EXPECT_EQ(ledger.keys_of("paid").size(), 30U);
  // This cluster's own ids come to where those are, and to rows that bear the same.
  for (int i = 0; i < 300; ++i)
    ledger.psql("INSERT INTO paid VALUES (20 + " + std::to_string(i % 10) +
                ") ON CONFLICT DO NOTHING");
  ledger.psql("INSERT INTO paid VALUES (50)");
  ledger.drain();
  ledger.sweep("paid");
  const auto keys = ledger.keys_of("paid");
  EXPECT_EQ(keys.size(), 41U);
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), 41U);
}

}  // namespace
}  // namespace pgtally
