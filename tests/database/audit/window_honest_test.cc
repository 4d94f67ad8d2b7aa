// Honest work, with audits in a loop: nothing is found, and in the end nothing is open.

#include <atomic>
#include <random>
#include <thread>

#include "database/audit/row_audit_test.h"
#include "database/capture/logical_test.h"

namespace pgtally {
namespace {

using test::audit_rows;
using test::AuditedRows;
using test::connect;
using test::LogicalLedger;
using test::must;

constexpr std::chrono::seconds kWork{8};

// Every statement as it comes; errors of concurrent changes are part of the work.
void write_rows(const test::Server& server, unsigned seed, const std::atomic<bool>& stop) {
  auto connection = connect(server.conninfo());
  std::mt19937 random(seed);
  const auto execute = [&](const std::string& sql) {
    if (!connection.execute(sql).ok()) (void)connection.execute("ROLLBACK");
  };
  const auto any = [&](const char* table) {
    return std::string(table) + " SET note = '" + std::to_string(random()) +
           "' WHERE id % 7 = " + std::to_string(random() % 7);
  };
  while (!stop) {
    const std::string rows = std::to_string(1 + random() % 20);
    const bool together = random() % 2 == 0;
    if (together) execute("BEGIN");
    for (const char* table : {"x", "p", "t", "u", "l"}) {
      if (random() % 4 == 0) continue;
      if (together && random() % 8 == 0) execute("SAVEPOINT s");
      execute(std::string("INSERT INTO ") + table + " (note) SELECT 'n' FROM generate_series(1, " +
              rows + ")");
      if (together && random() % 16 == 0) execute("ROLLBACK TO s");
    }
    execute("SELECT pgtally.append('data')");
    for (const char* table : {"u", "l"}) {
      const auto choice = random() % 100;
      if (choice < 40) execute("UPDATE " + any(table));
      if (choice >= 40 && choice < 60) {
        execute(std::string("DELETE FROM ") + table +
                " WHERE id % 11 = " + std::to_string(random() % 11));
      }
      if (choice == 60) execute(std::string("TRUNCATE ") + table);
      if (choice == 61) {
        execute(std::string("UPDATE ") + table + " SET id = -id - " +
                std::to_string(random() % 1000) + " WHERE id % 13 = 1");
      }
    }
    if (together) execute(random() % 4 == 0 ? "ROLLBACK" : "COMMIT");
  }
}

TEST(HonestWork, in_all_modes_with_audits_in_a_loop_gives_no_finding) {
  LogicalLedger ledger;
  ledger.psql(
      "CREATE TABLE x (id bigserial PRIMARY KEY, note text, xid xid8 NOT NULL DEFAULT "
      "pg_current_xact_id()); ALTER TABLE x ADD CHECK (xid = pg_current_xact_id()) NOT VALID;"
      "CREATE INDEX ON x (xid, id)");
  for (const char* table : {"p", "t", "u", "l"}) {
    ledger.psql(std::string("CREATE TABLE ") + table + " (id bigserial PRIMARY KEY, note text)");
  }
  ledger.psql("ALTER TABLE l REPLICA IDENTITY FULL");
  ledger.add_source("x", "x", {"id"});
  ledger.add_source("p", "p", {"id"}, [](SourceRequest& r) { r.mode = "poll"; });
  ledger.add_source("t", "t", {"id"}, [](SourceRequest& r) { r.mode = "trigger"; });
  ledger.add_source("u", "u", {"id"}, [](SourceRequest& r) {
    r.mode = "trigger";
    r.track_changes = true;
  });
  ledger.add("l", "public.l");
  for (const char* source : {"x", "t", "u"}) ledger.sweep(source);

  std::atomic<bool> stop = false;
  std::atomic<bool> stop_service = false;
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 3; ++seed) {
    threads.emplace_back([&, seed] { write_rows(ledger, seed, stop); });
  }
  // Small batches, so that rounds stay open. A batch that deadlocks or is refused is tried again.
  std::thread sequencer([&] {
    auto connection = connect(ledger.conninfo());
    for (int batch = 0; !stop_service; ++batch) {
      (void)connection.query("SELECT pgtally.process_next_batch($1)",
                             pg::Params().int4(batch % 3 == 0 ? 40 : 1000));
      if (batch % 100 == 99) (void)connection.query("SELECT pgtally.sweep_step(2, 100000)");
    }
  });
  std::thread reader([&] {
    while (!stop_service) {
      if (!ledger.step().ok()) ledger.forget_readers();
    }
  });

  int audits = 0;
  const auto end = std::chrono::steady_clock::now() + kWork;
  while (std::chrono::steady_clock::now() < end) {
    const AuditedRows audited = audit_rows(ledger);
    EXPECT_EQ(audited.findings(), std::vector<std::string>{}) << "audit " << audits;
    // A snapshot does not keep rows that are truncated after it.
    const std::string open = audited.undecided();
    EXPECT_TRUE(open.empty() || open.find("was truncated or rewritten") != std::string::npos)
        << "audit " << audits << ": " << open;
    ++audits;
    if (testing::Test::HasFailure()) break;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  stop_service = true;
  sequencer.join();
  reader.join();
  ledger.forget_readers();
  ledger.read_all();
  ledger.drain();
  const AuditedRows last = audit_rows(ledger, test::at_once());
  EXPECT_EQ(last.findings(), std::vector<std::string>{});
  EXPECT_EQ(last.undecided(), "");
  EXPECT_GT(audits, 1);
  EXPECT_GT(last.source("l").entries, 10u);
}

}  // namespace
}  // namespace pgtally
