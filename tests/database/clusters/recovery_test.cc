// Whole servers that went back: a standby that lacked the end, a data directory from a backup. What was
// published is recorded again, and every row of the tables is in the log once.
#include <gtest/gtest.h>

#include "far_tables.h"
#include "support/published_log.h"

namespace pgtally {
namespace {

using test::ClusterLedger;
using test::error_of;
using test::must;
using test::PublishedLedger;
using test::Standby;
using test::TestCluster;
using test::TestDatabase;
using test::write;

std::string not_once(const test::Server& server) {
  return test::not_once(server, server, "paid") + test::not_once(server, server, "seen") +
         test::not_once(server, server, "told");
}

// As docs/recovery.md says: keys of rows that were lost are not given out again.
void skip_keys(const test::Server& server) {
  server.psql(
      "SELECT setval('paid_id_seq', 1000), setval('seen_id_seq', 1000), setval('told_id_seq', "
      "1000)");
}

void sweep_all(const test::Server& server) {
  for (const char* source : {"paid", "seen", "told"}) test::sweep(server, source);
}

// A data directory as it was, put back under a server that has gone on: same cluster, same timeline.
class PutBack {
 public:
  explicit PutBack(TestCluster& cluster) : cluster_(cluster) {
    cluster_.stop();
    copy(data(), saved());
    cluster_.start();
  }
  void put_back() {
    cluster_.stop_immediately();
    std::filesystem::remove_all(data());
    copy(saved(), data());
    cluster_.start();
  }

 private:
  [[nodiscard]] std::string data() const { return cluster_.directory() / "data"; }
  [[nodiscard]] std::string saved() const { return directory_.path() / "data"; }
  static void copy(const std::string& from, const std::string& to) {
    const std::string command = "cp -a '" + from + "' '" + to + "'";
    if (std::system(command.c_str()) != 0) throw std::runtime_error(command);
  }

  TestCluster& cluster_;
  test::TestDirectory directory_;
};

TEST(RecoveryOfAServer, makes_a_promoted_standby_the_log_that_was_signed) {
  ClusterLedger ledger;
  test::create_sources(ledger.database());
  test::work(ledger);
  must(ledger.run_once());
  const Standby standby(ledger.database());
  standby.catch_up(ledger.database());
  standby.disconnect();
  write(ledger.database(), 4);
  must(ledger.run_once());
  PublishedLedger published;
  must(published.publish(ledger.database()));
  ledger.database().stop_immediately();
  standby.promote();
  skip_keys(standby);
  write(standby, 2);
  ASSERT_EQ(error_of(ledger.run_once_on(standby)).code, ErrorCode::kTampered);

  EXPECT_EQ(published.diagnose(standby, ledger.guard()).ground, Ground::kBehind);
  must(published.re_record(standby, ledger.guard()));
  write(standby, 2);
  must(ledger.run_once_on(standby));
  sweep_all(standby);
  must(ledger.run_once_on(standby));
  EXPECT_EQ(not_once(standby), "");
  EXPECT_EQ(must(published.publish(standby)).size.value,
            std::stoull(standby.psql("SELECT count(*) FROM pgtally.processed_log")));
}

TEST(RecoveryOfAServer, takes_a_data_directory_that_was_put_back_on_to_what_was_signed) {
  ClusterLedger ledger;
  TestCluster& server = ledger.database();
  test::create_sources(server);
  test::work(ledger);
  PutBack backup(server);
  write(server, 4);
  must(ledger.run_once());
  PublishedLedger published;
  must(published.publish(server));
  backup.put_back();
  ASSERT_EQ(error_of(ledger.run_once()).code, ErrorCode::kTampered);

  EXPECT_EQ(published.diagnose(server, ledger.guard()).ground, Ground::kBehind);
  must(published.re_record(server, ledger.guard()));
  // As docs/recovery.md says: keys of lost rows are not given out again.
  server.psql(
      "SELECT setval('paid_id_seq', 1000), setval('seen_id_seq', 1000), setval('told_id_seq', "
      "1000)");
  write(server, 2);
  must(ledger.run_once());
  sweep_all(server);
  must(ledger.run_once());
  EXPECT_EQ(not_once(server), "");
  EXPECT_EQ(
      server.psql("SELECT count(*) FROM pgtally.append_only_log AS l WHERE NOT EXISTS (SELECT "
                  "FROM pgtally.processed_log AS p WHERE p.source_id = l.source_id AND "
                  "p.source_position = l.id::text)"),
      "0");
  must(published.publish(server));
}

// The tables are on another server, which did not go back: all their rows are there.
TEST(RecoveryOfAServer, records_no_row_of_another_database_twice_and_misses_none) {
  ClusterLedger ledger;
  TestCluster& server = ledger.database();
  const TestDatabase there;
  test::create_far_tables(there);
  test::add_far_sources(server, there.conninfo());
  test::write_far(there, 5);
  must(test::run_far_once(ledger));
  PutBack backup(server);
  test::OpenTransaction open(there);
  open.execute("INSERT INTO far_poll (note) VALUES ('open'), ('open')");
  open.execute("INSERT INTO far_xid (note) VALUES ('open'), ('open')");
  test::write_far(there, 7);
  must(test::run_far_once(ledger));
  PublishedLedger published;
  must(published.publish(server));
  backup.put_back();
  test::write_far(there, 3);

  must(published.re_record(server, ledger.guard()));
  open.commit();
  test::write_far(there, 3);
  for (int i = 0; i < 3; ++i) must(test::run_far_once(ledger));
  EXPECT_EQ(test::far_not_once(there, server), "");
  must(published.publish(server));
}

}  // namespace
}  // namespace pgtally
