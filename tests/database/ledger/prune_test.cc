// Pruning of staging: what a signed checkpoint covers, all of it, and nothing else.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "support/test_ledger.h"

namespace pgtally {
namespace {

using test::connect;
using test::TestSchema;

class Staging : public TestSchema {
 public:
  // Refuses, in the database, every delete of a row that is not in the log under a checkpoint.
  Staging() {
    psql(R"sql(
      CREATE FUNCTION public.only_covered() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NOT EXISTS (SELECT FROM pgtally.processed_log AS p
                        WHERE p.source_id = OLD.source_id
                          AND p.key = int2send(length(OLD.id::text)::int2)
                                      || convert_to(OLD.id::text, 'UTF8')
                          AND p.id < (SELECT max(size) FROM pgtally.checkpoint)) THEN
          RAISE EXCEPTION 'row % was deleted and is not covered', OLD.id;
        END IF;
        RETURN OLD;
      END $$;
      CREATE TRIGGER only_covered BEFORE DELETE ON pgtally.append_only_log
        FOR EACH ROW EXECUTE FUNCTION public.only_covered())sql");
  }
  void append(int rows) const {
    psql("INSERT INTO pgtally.append_only_log (data) SELECT 'x' FROM generate_series(1, " +
         std::to_string(rows) + ")");
  }
  // As if everything that is in the log had been signed.
  void cover() const { psql(kCover); }
  [[nodiscard]] std::int64_t prune(int max_rows = 10000) const {
    return std::stoll(psql("SELECT pgtally.prune(" + std::to_string(max_rows) + ")"));
  }
  [[nodiscard]] std::int64_t staged() const {
    return std::stoll(psql("SELECT count(*) FROM pgtally.append_only_log"));
  }

  static constexpr const char* kCover =
      "INSERT INTO pgtally.checkpoint (size, root, note) SELECT next_id, sha256(''), 'note' "
      "FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1 ON CONFLICT DO NOTHING";
};

TEST(Prune, drops_what_a_checkpoint_covers_and_nothing_else) {
  const Staging ledger;
  ledger.append(10);
  EXPECT_EQ(ledger.prune(), 0);  // not in the log
  ledger.drain();
  EXPECT_EQ(ledger.prune(), 0);  // not signed
  ledger.cover();
  ledger.append(3);
  EXPECT_EQ(ledger.prune(), 10);
  EXPECT_EQ(ledger.staged(), 3);
  ledger.drain();
  EXPECT_EQ(ledger.prune(), 0);
  ledger.cover();
  EXPECT_EQ(ledger.prune(), 3);
  EXPECT_EQ(ledger.staged(), 0);
}

TEST(Prune, stops_where_the_checkpoint_ends_though_the_log_goes_on) {
  const Staging ledger;
  for (int i = 0; i < 5; ++i) {
    ledger.append(4);
    ledger.drain();
    if (i == 2) ledger.cover();
  }
  EXPECT_EQ(ledger.prune(), 12);
  EXPECT_EQ(ledger.staged(), 8);
}

TEST(Prune, waits_for_the_end_of_a_round_that_was_cut_off) {
  const Staging ledger;
  ledger.append(10);
  EXPECT_EQ(ledger.take(6), 6);
  ledger.cover();
  EXPECT_EQ(ledger.prune(), 0);
  ledger.drain();
  ledger.cover();
  EXPECT_EQ(ledger.prune(), 10);
}

TEST(Prune, goes_on_where_a_full_batch_ended) {
  const Staging ledger;
  ledger.append(10);
  ledger.append(7);
  ledger.drain();
  ledger.cover();
  EXPECT_EQ(ledger.prune(4), 4);
  ledger.append(5);  // does not belong to what was begun
  ledger.drain();
  ledger.cover();
  EXPECT_EQ(ledger.prune(9), 9);
  EXPECT_EQ(ledger.prune(4), 4);
  EXPECT_EQ(ledger.prune(4), 0);  // the end of what was begun
  EXPECT_EQ(ledger.prune(4), 4);
  EXPECT_EQ(ledger.prune(4), 1);
  EXPECT_EQ(ledger.staged(), 0);
}

TEST(Prune, takes_a_transaction_that_was_open_when_others_went) {
  const Staging ledger;
  auto late = ledger.connect();
  test::must(late.execute("BEGIN; INSERT INTO pgtally.append_only_log (data) VALUES ('late')"));
  ledger.append(5);
  ledger.drain();
  ledger.cover();
  EXPECT_EQ(ledger.prune(), 5);
  test::must(late.execute("COMMIT"));
  ledger.append(2);
  ledger.drain();
  ledger.cover();
  EXPECT_EQ(ledger.prune(), 3);
  EXPECT_EQ(ledger.staged(), 0);
}

// A transaction that stays open keeps what was deleted in the indexes. Nobody walks over it again.
TEST(Prune, costs_the_same_however_much_was_pruned_before) {
  const Staging ledger;
  auto old = ledger.connect();
  test::must(old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1"));
  ledger.append(20000);
  ledger.drain(1000000);
  ledger.cover();
  EXPECT_EQ(ledger.prune(100000), 20000);
  ledger.append(5);
  ledger.drain();
  ledger.cover();
  auto session = ledger.connect();
  const auto touched = [&] {
    test::must(session.execute("SELECT pg_stat_force_next_flush()"));
    return std::stoll(
        ledger.psql("SELECT i.idx_tup_read + t.seq_tup_read FROM pg_stat_user_indexes AS i JOIN "
                    "pg_stat_user_tables AS t USING (relid) WHERE indexrelname = "
                    "'append_only_log_round'"));
  };
  const auto before = touched();
  test::must(session.execute("SELECT pgtally.prune()"));
  EXPECT_LT(touched() - before, 1000);
  EXPECT_EQ(ledger.staged(), 0);
}

TEST(Prune, finds_its_way_when_old_rounds_were_trimmed) {
  const Staging ledger;
  ledger.append(3);
  ledger.drain();
  ledger.cover();
  auto session = ledger.connect();
  for (int i = 0; i < 200; ++i) {  // 200 rounds without a checkpoint
    test::must(session.execute("INSERT INTO pgtally.append_only_log (data) VALUES ('x')"));
    test::must(session.execute("SELECT pgtally.process_next_batch()"));
  }
  EXPECT_EQ(ledger.prune(), 3);
  ledger.cover();
  EXPECT_EQ(ledger.prune(), 200);
  EXPECT_LT(std::stoi(ledger.psql("SELECT count(*) FROM pgtally.round")), 200);
}

TEST(Prune, by_two_at_once_lets_one_of_them_go_on) {
  const Staging ledger;
  ledger.append(10);
  ledger.drain();
  ledger.cover();
  auto first = ledger.connect();
  test::must(first.execute("BEGIN; SELECT pgtally.prune(4)"));
  EXPECT_EQ(ledger.prune(4), 0);
  test::must(first.execute("ROLLBACK"));
  EXPECT_EQ(ledger.prune(), 10);
}

TEST(Prune, is_refused_where_its_reads_would_not_be_current) {
  const Staging ledger;
  EXPECT_EQ(ledger.psql_error("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pgtally.prune()")
                .substr(0, 5),
            "TLR04");
  EXPECT_EQ(ledger.psql_error("SELECT pgtally.prune(0)").substr(0, 5), "TLR03");
}

TEST(Prune, touches_nothing_in_a_cluster_that_the_ledger_has_not_settled_in) {
  const Staging ledger;
  ledger.append(10);
  ledger.drain();
  ledger.cover();
  ledger.psql("UPDATE pgtally.cluster SET system_identifier = 1, started_at = 'epoch'");
  EXPECT_EQ(ledger.prune(), 0);
  EXPECT_EQ(ledger.staged(), 10);
}

TEST(Prune, leaves_sweeps_and_waiting_as_they_were) {
  const Staging ledger;
  ledger.psql("CREATE TABLE t (code text PRIMARY KEY); INSERT INTO t VALUES ('a'), ('b')");
  ledger.add_source("t", "t", {"code"});
  ledger.psql("DROP TRIGGER only_covered ON pgtally.append_only_log");
  ledger.sweep("t");
  ledger.cover();
  EXPECT_EQ(ledger.prune(), 2);
  ledger.psql("INSERT INTO t VALUES ('c')");
  ledger.sweep("t");
  EXPECT_EQ(ledger.keys_of("t"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(ledger.psql("SELECT coalesce(sum(waiting_rows), 0) FROM pgtally.waiting()"), "0");
}

// Writers with rollbacks and long transactions, sequencing, signing and pruning, all at once, and
// sessions killed in the middle of it. The trigger refuses to lose anything.
TEST(Prune, never_drops_what_is_not_covered_whatever_happens_around_it) {
  const Staging ledger;
  constexpr int kWriters = 4;
  std::atomic<bool> writing{true};
  std::atomic<int> committed{0};
  std::atomic<bool> lost{false};
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937 random(static_cast<unsigned>(w));
      auto session = ledger.connect();
      for (int i = 0; i < 150; ++i) {
        const int rows = 1 + static_cast<int>(random() % 5);
        const std::string insert =
            "INSERT INTO pgtally.append_only_log (data) SELECT 'x' FROM "
            "generate_series(1, " +
            std::to_string(rows) + ");";
        const bool commit = random() % 4 != 0;
        const std::string middle = random() % 20 == 0 ? "SELECT pg_sleep(0.2);"
                                   : random() % 3 == 0
                                       ? "SAVEPOINT s; " + insert + " ROLLBACK TO s;"
                                       : "";
        test::must(session.execute("BEGIN; " + insert + middle + (commit ? "COMMIT" : "ROLLBACK")));
        if (commit) committed += rows;
      }
    });
  }
  // Does its work again and again, on a new connection whenever it was killed.
  const auto worker = [&](const std::string& name, const std::function<std::string()>& work) {
    return std::thread([&, name, work] {
      while (writing) {
        auto session = pg::Connection::open(ledger.conninfo() + " application_name=" + name);
        while (writing && session.ok()) {
          const auto done = session->execute(work());
          if (done.ok()) continue;
          if (done.error().message.find("is not covered") != std::string::npos) lost = true;
          break;
        }
      }
    });
  };
  std::mt19937 random(7);
  std::vector<std::thread> workers;
  workers.push_back(worker("sequencer", [n = 0]() mutable {
    return "SELECT pgtally.process_next_batch(" + std::to_string(1 + 17 * (++n % 5)) + ")";
  }));
  workers.push_back(worker("signer", [] { return std::string(Staging::kCover); }));
  workers.push_back(worker("pruner", [n = 0]() mutable {
    return "SELECT pgtally.prune(" + std::to_string(1 + 11 * (++n % 4)) + ")";
  }));
  workers.push_back(worker("pruner", [] { return std::string("SELECT pgtally.prune(1000)"); }));
  std::thread killer([&] {
    while (writing) {
      ledger.psql(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
          "current_database() AND application_name IN ('sequencer', 'pruner') AND "
          "random() < 0.3");
      ledger.psql("SELECT pg_sleep(0.05)");
    }
  });
  for (std::thread& thread : writers) thread.join();
  writing = false;
  for (std::thread& thread : workers) thread.join();
  killer.join();

  EXPECT_FALSE(lost);
  ledger.drain();
  ledger.cover();
  while (ledger.prune() > 0) {
  }
  EXPECT_EQ(ledger.prune(), 0);
  EXPECT_EQ(ledger.staged(), 0);
  EXPECT_EQ(ledger.psql("SELECT count(*), count(DISTINCT key) FROM pgtally.processed_log WHERE "
                        "operation = 1"),
            std::to_string(committed) + "|" + std::to_string(committed));
  EXPECT_EQ(ledger.gaps(), "");
}

}  // namespace
}  // namespace pgtally
