// A cluster that crashes and loses what its writers did not wait for.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "clusters.h"
#include "ledger/settle.h"

namespace pgtally {
namespace {

using test::ClusterLedger;
using test::must;

// Writes with synchronous_commit off until the server is gone, and counts what was acknowledged.
void write_until_the_end(const std::string& conninfo, std::atomic<std::int64_t>& acknowledged) {
  auto connection = pg::Connection::open(conninfo);
  if (!connection.ok() || !connection->execute("SET synchronous_commit = off").ok()) return;
  while (connection
             ->execute("INSERT INTO paid (note) VALUES ('n'); INSERT INTO seen (note) VALUES ('n');"
                       "INSERT INTO pgtally.append_only_log (data) VALUES ('n')")
             .ok()) {
    ++acknowledged;
  }
}

// See functions/cluster.sql: what a crash loses ended after every batch that is left.
TEST(Crash, with_asynchronous_commit_loses_no_row_and_records_none_that_is_lost) {
  ClusterLedger ledger;
  test::create_sources(ledger.database());
  ledger.database().psql("ALTER SYSTEM SET wal_writer_delay = '10s'");
  ledger.database().psql("SELECT pg_reload_conf()");
  std::int64_t lost = 0;
  for (int crash = 0; crash < 4; ++crash) {
    std::atomic<std::int64_t> acknowledged = 0;
    const std::int64_t before = std::stoll(ledger.database().psql("SELECT count(*) FROM paid"));
    std::vector<std::jthread> writers;
    for (int i = 0; i < 4; ++i) {
      writers.emplace_back(write_until_the_end, ledger.database().conninfo(),
                           std::ref(acknowledged));
    }
    for (int batch = 0; batch < 10; ++batch) {
      ledger.database().psql("SELECT pgtally.process_next_batch()");
    }
    ledger.database().kill_postmaster();
    writers.clear();
    ledger.database().start();
    lost += before + acknowledged - std::stoll(ledger.database().psql("SELECT count(*) FROM paid"));
    {
      auto connection = test::connect(ledger.database().conninfo());
      EXPECT_FALSE(must(settle(must(Ledger::open(connection, "pgtally")))));
    }
    must(ledger.run_once());
    test::sweep(ledger.database(), "seen");
    must(ledger.run_once());
    ASSERT_EQ(test::what_is_wrong(ledger.database()), "");
  }
  EXPECT_GT(lost, 0) << "nothing was lost, so nothing was tried";
}

}  // namespace
}  // namespace pgtally
