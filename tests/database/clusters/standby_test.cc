// A real streaming standby: refused while it is one, at home once it is promoted.
#include <gtest/gtest.h>

#include "clusters.h"
#include "ledger/settle.h"

namespace pgtally {
namespace {

using test::ClusterLedger;
using test::error_of;
using test::must;
using test::Standby;
using test::write;

TEST(Standby, is_refused_because_its_snapshots_hide_open_transactions) {
  ClusterLedger ledger;
  ledger.append(5);
  const Standby standby(ledger.database());
  standby.catch_up(ledger.database());
  EXPECT_EQ(standby.psql("SELECT count(*) FROM pgtally.append_only_log"), "5");
  EXPECT_EQ(standby.psql_error("SELECT pgtally.process_next_batch()").substr(0, 5), "TLO01");
  const Error error = error_of(ledger.run_once_on(standby));
  EXPECT_EQ(error.code, ErrorCode::kOperator);
  EXPECT_EQ(error.message, "this server is a standby");
  must(ledger.run_once());
}

TEST(Standby, goes_on_where_the_primary_was_once_it_is_promoted) {
  ClusterLedger ledger;
  test::create_sources(ledger.database());
  const Standby standby(ledger.database());
  test::work(ledger);
  // What was prepared comes along, with the ids that it has.
  ledger.database().psql(
      "BEGIN; INSERT INTO paid (note) VALUES ('prepared');"
      "INSERT INTO seen (note) VALUES ('prepared');"
      "INSERT INTO told (note) VALUES ('prepared');"
      "INSERT INTO pgtally.append_only_log (data) VALUES ('prepared');"
      "PREPARE TRANSACTION 'p'");
  write(ledger.database(), 2);
  must(ledger.run_once());
  write(ledger.database(), 2);
  standby.catch_up(ledger.database());
  ledger.database().stop_immediately();
  standby.promote();

  write(standby, 3);
  must(ledger.run_once_on(standby));
  EXPECT_EQ(standby.psql("SELECT timeline FROM pgtally.cluster"), "2");
  standby.psql("COMMIT PREPARED 'p'");
  write(standby, 3);
  must(ledger.run_once_on(standby));
  EXPECT_EQ(test::what_is_wrong(standby), "");
}

TEST(Standby, that_lacks_what_was_signed_is_left_as_it_is) {
  ClusterLedger ledger;
  test::create_sources(ledger.database());
  write(ledger.database(), 2);
  must(ledger.run_once());
  const Standby standby(ledger.database());
  standby.catch_up(ledger.database());
  standby.disconnect();
  write(ledger.database(), 2);
  must(ledger.run_once());
  ledger.database().stop_immediately();
  standby.promote();

  EXPECT_EQ(error_of(ledger.run_once_on(standby)).code, ErrorCode::kTampered);
  EXPECT_EQ(standby.psql("SELECT timeline FROM pgtally.cluster"), "1");
}

}  // namespace
}  // namespace pgtally
