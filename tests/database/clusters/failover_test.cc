// The server of a source is lost, and its standby takes over: under an address that names both, or moved
// to. A slot does not come along, and what the standby lacked is gone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "capture/source_move.h"
#include "far_tables.h"

namespace pgtally {
namespace {

using test::ClusterLedger;
using test::must;
using test::Standby;
using test::TestCluster;
using testing::HasSubstr;

// One part of "host=… port=… user=… dbname=…".
std::string part_of(const std::string& conninfo, const std::string& name) {
  const std::size_t begin = conninfo.find(name + "=") + name.size() + 1;
  std::string part = conninfo.substr(begin, conninfo.find(' ', begin) - begin);
  std::erase(part, '\'');
  return part;
}

std::string whichever_writes(const std::string& a, const std::string& b) {
  return "host=" + part_of(a, "host") + "," + part_of(b, "host") + " port=" + part_of(a, "port") +
         "," + part_of(b, "port") + " user=postgres dbname=" + part_of(a, "dbname") +
         " target_session_attrs=read-write";
}

class Failover : public testing::Test {
 protected:
  Failover() { test::create_far_tables(primary); }

  // The primary goes, and some rows with it that were recorded.
  void fail_over(Standby& standby) {
    test::write_far(primary, 5);
    must(test::run_far_once(ledger));
    standby.catch_up(primary);
    standby.disconnect();
    test::write_far(primary, 2);
    must(test::run_far_once(ledger));
    primary.stop_immediately();
    standby.promote();
    standby.psql("UPDATE far_logical SET note = 'changed' WHERE id = 1");
  }
  [[nodiscard]] std::string failures() const {
    return ledger.database().psql("SELECT string_agg(message, '; ') FROM pgtally.failure");
  }
  [[nodiscard]] std::string notices(const std::string& event) const {
    return ledger.database().psql(
        "SELECT count(*) FROM pgtally.processed_log WHERE operation = 6 AND "
        "position('\"event\":\"" +
        event + "\"' IN convert_from(data, 'UTF8')) > 0");
  }
  // Everything that the new primary has, and gets from now on.
  void expect_all_of(const Standby& standby) {
    for (int i = 0; i < 3; ++i) must(test::run_far_once(ledger));
    // Keys that were lost with the old one are given out again.
    standby.psql(
        "SELECT setval('far_poll_id_seq', 1000), setval('far_xid_id_seq', 1000), "
        "setval('far_logical_id_seq', 1000)");
    test::write_far(standby, 3);
    for (int i = 0; i < 3; ++i) must(test::run_far_once(ledger));
    EXPECT_EQ(failures(), "");
    EXPECT_EQ(test::far_not_once(standby, ledger.database()), "");
    EXPECT_EQ(notices("resynchronised"), "1");
    EXPECT_EQ(ledger.database().psql(
                  "SELECT operation FROM pgtally.processed_log JOIN pgtally.source USING "
                  "(source_id) WHERE name = 'far_logical' AND convert_from(substr(key, 3), 'UTF8') "
                  "= '1' ORDER BY id"),
              "1\n2");
  }

  TestCluster primary;
  ClusterLedger ledger;
};

TEST_F(Failover, goes_unnoticed_where_the_address_names_both) {
  Standby standby(primary);
  test::add_far_sources(ledger.database(),
                        whichever_writes(primary.conninfo(), standby.conninfo()));
  fail_over(standby);
  expect_all_of(standby);
  EXPECT_EQ(notices("moved"), "0");
}

TEST_F(Failover, to_another_address_is_a_move) {
  Standby standby(primary);
  test::add_far_sources(ledger.database(), primary.conninfo());
  fail_over(standby);
  must(test::run_far_once(ledger));
  EXPECT_THAT(failures(), HasSubstr("cannot connect"));
  auto connection = test::connect(ledger.database().conninfo());
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  EXPECT_THAT(opened.connection()
                  .query("SELECT hint FROM pgtally.failure LIMIT 1")
                  ->get<std::string>(0, 0)
                  .value(),
              HasSubstr("pgtally source move"));
  const SourceMove move =
      must(plan_move(opened, must(find_source(opened, "far_poll")), standby.conninfo()));
  EXPECT_EQ(move.sources.size(), 3U);
  // The old server may come back one day, with a slot that nobody reads.
  EXPECT_THAT(must(move_sources(opened, move)), HasSubstr("may be left at"));
  expect_all_of(standby);
  EXPECT_EQ(notices("moved"), "3");
}

TEST(FailoverOfTheLedger, makes_the_slot_in_its_own_database_anew) {
  ClusterLedger ledger;
  TestCluster& primary = ledger.database();
  test::create_far_tables(primary);
  test::add_far_sources(primary, primary.conninfo());
  EXPECT_EQ(primary.psql("SELECT count(*) FROM pgtally.endpoint"), "0");
  test::write_far(primary, 5);
  must(test::run_far_once(ledger));
  const Standby standby(primary);
  test::write_far(primary, 3);
  must(test::run_far_once(ledger));
  test::write_far(primary, 3);
  standby.catch_up(primary);
  primary.stop_immediately();
  standby.promote();
  test::write_far(standby, 3);
  standby.psql("DELETE FROM far_logical WHERE id = 2");
  for (int i = 0; i < 3; ++i) must(test::run_far_once_on(standby, ledger));
  test::write_far(standby, 3);
  for (int i = 0; i < 3; ++i) must(test::run_far_once_on(standby, ledger));
  EXPECT_EQ(standby.psql("SELECT string_agg(message, '; ') FROM pgtally.failure"), "");
  EXPECT_EQ(test::far_not_once(standby, standby), "");
  EXPECT_EQ(standby.psql("SELECT count(*) FROM pgtally.processed_log WHERE operation = 3"), "1");
}

}  // namespace
}  // namespace pgtally
