// Sources of mode logical in another cluster than the ledger's.

#include "database/capture/logical_test.h"

namespace pgtally {
namespace {

using test::LogicalLedger;
using test::must;
using test::TestCluster;
using test::Texts;

class LogicalRemote : public testing::Test {
 protected:
  void add(const std::string& name, const std::string& table) {
    ledger.add(name, table, {}, [&](SourceRequest& r) { r.database = remote.conninfo(); });
  }
  TestCluster remote{{{"wal_level", "logical"}, {"max_slot_wal_keep_size", "16MB"}}};
  LogicalLedger ledger;
};

TEST_F(LogicalRemote, changes_reach_the_ledger_once_through_crashes_of_the_server) {
  remote.psql("CREATE TABLE p (id int PRIMARY KEY, x int); INSERT INTO p VALUES (1, 1)");
  remote.psql("CREATE TABLE q (id int PRIMARY KEY)");
  add("p", "public.p");
  add("q", "public.q");
  for (int i = 2; i < 6; ++i) {
    const std::string id = std::to_string(i);
    remote.psql("INSERT INTO p VALUES (" + id + ", 1); INSERT INTO q VALUES (" + id +
                "); UPDATE p SET x = 2 WHERE id = " + id);
    (void)must(ledger.step());
    remote.stop_immediately();
    EXPECT_FALSE(ledger.step().ok());
    remote.start();
  }
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"), (Texts{"insert 1", "insert 2", "update 2", "insert 3", "update 3",
                                        "insert 4", "update 4", "insert 5", "update 5"}));
  EXPECT_EQ(ledger.entries("q"), (Texts{"insert 2", "insert 3", "insert 4", "insert 5"}));
  EXPECT_EQ(ledger.psql("SELECT count(*) FROM pgtally.stream"), "1");
  EXPECT_TRUE(ledger.remarks.empty());
}

TEST_F(LogicalRemote, slot_that_the_server_invalidated_is_resynchronised) {
  remote.psql("CREATE TABLE p (id int PRIMARY KEY, x int)");
  add("p", "public.p");
  remote.psql("INSERT INTO p VALUES (1, 1), (2, 2)");
  ledger.read_all();
  ledger.forget_readers();
  remote.psql("UPDATE p SET x = 0 WHERE id = 1");
  remote.psql("CREATE TABLE fat (t text)");
  const std::string lost =
      "SELECT coalesce(bool_and(wal_status = 'lost'), false) FROM pg_replication_slots";
  for (int i = 0; i < 40 && remote.psql(lost) != "t"; ++i) {
    remote.psql(
        "INSERT INTO fat SELECT repeat(md5(g::text), 50) FROM generate_series(1, 5000) AS g");
    remote.psql("SELECT pg_switch_wal()");
    remote.psql("CHECKPOINT");
  }
  ASSERT_EQ(remote.psql(lost), "t");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"), (Texts{"insert 1", "insert 2", "update 1"}));
  ASSERT_EQ(ledger.remarks.size(), 1u);
  EXPECT_NE(ledger.remarks[0].find("was invalidated"), std::string::npos) << ledger.remarks[0];
  EXPECT_EQ(ledger.count("p", 2), "1");
}

TEST_F(LogicalRemote, server_that_is_away_leaves_nothing_lost) {
  remote.psql("CREATE TABLE p (id int PRIMARY KEY)");
  add("p", "public.p");
  remote.psql("INSERT INTO p VALUES (1)");
  remote.stop();
  EXPECT_FALSE(ledger.step().ok());
  remote.start();
  remote.psql("INSERT INTO p VALUES (2)");
  ledger.read_all();
  EXPECT_EQ(ledger.entries("p"), (Texts{"insert 1", "insert 2"}));
}

TEST(LogicalRefusal, of_a_server_without_logical_wal_says_how_to_set_it) {
  TestCluster remote{{{"wal_level", "replica"}}};
  LogicalLedger ledger;
  remote.psql("CREATE TABLE p (id int PRIMARY KEY)");
  const auto added = ledger.try_add("p", "public.p", {},
                                    [&](SourceRequest& r) { r.database = remote.conninfo(); });
  const Error error = test::error_of(added);
  EXPECT_NE((error.message + error.hint).find("wal_level"), std::string::npos)
      << error.message << error.hint;
}

}  // namespace
}  // namespace pgtally
