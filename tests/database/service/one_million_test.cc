// A long log: memory does not grow with it, and a start does not read it.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <thread>

#include "capture/modes.h"
#include "ledger/registry.h"
#include "support/service_ledger.h"

namespace pgtally {
namespace {

using test::must;

constexpr std::uint64_t kRows = 1'000'000;
constexpr std::uint64_t kMostMemory = 64;  // MiB
constexpr std::uint64_t kMostRead = 1000;  // rows, of all tables of the ledger together

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsOurs = false;  // a sanitizer needs several times as much
#else
constexpr bool kMemoryIsOurs = true;
#endif

std::uint64_t peak_mebibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::uint64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes / 1024;
  }
  ADD_FAILURE() << "no VmHWM in /proc/self/status";
  return 0;
}

// Rows that any session has read from the ledger's tables. Sessions report when they end, which is a
// moment after they were told to.
std::uint64_t rows_read(const test::TestDatabase& database) {
  const auto others = [&] {
    return database.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()");
  };
  while (others() != "0") std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return std::stoull(
      database.psql("SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM "
                    "pg_stat_user_tables WHERE schemaname = 'pgtally'"));
}

TEST(OneMillionEntries, need_less_than_64_MiB_and_are_not_read_again_at_the_next_start) {
  test::ServiceLedger<test::TestDatabase> made;
  auto& database = made.database();
  // Nobody else is to read the tables while the reads are counted.
  database.psql(
      "CREATE TABLE event (id bigint PRIMARY KEY, sha256 bytea NOT NULL);"
      "INSERT INTO event SELECT g, sha256(int8send(g)) FROM generate_series(1, " +
      std::to_string(kRows) +
      ") AS g;"
      "ALTER TABLE pgtally.processed_log SET (autovacuum_enabled = off)");
  {
    auto connection = test::connect(database.conninfo());
    const Ledger ledger = must(Ledger::open(connection, "pgtally"));
    SourceRequest request;
    request.name = "event";
    request.table = "event";
    request.key = {"id"};
    request.hash_column = "sha256";
    must(add_source(ledger, must(plan_source(ledger, capture_modes(), request))));
  }
  const auto run = [&] {
    RunnerOptions options = made.options();
    options.settings = ServiceSettings();
    auto connection = test::connect(database.conninfo());
    return must(run_once(connection, options, {}));
  };

  const OnceReport all = run();
  EXPECT_EQ(all.rows, kRows);
  ASSERT_TRUE(all.checkpoint.has_value());
  EXPECT_EQ(all.checkpoint->size, all.head.size);
  if (kMemoryIsOurs) {
    EXPECT_LT(peak_mebibytes(), kMostMemory);
  }

  const std::uint64_t read_before = rows_read(database);
  ASSERT_GE(read_before, kRows / 256) << "reads are not counted, so nothing would be proved";
  database.psql("INSERT INTO event VALUES (1000001, sha256('last'))");
  const OnceReport next = run();
  EXPECT_EQ(next.rows, 1U);
  EXPECT_EQ(next.head.size.value, all.head.size.value + 1);
  EXPECT_LT(rows_read(database) - read_before, kMostRead);
}

}  // namespace
}  // namespace pgtally
