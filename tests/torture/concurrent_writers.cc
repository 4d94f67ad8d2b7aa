// concurrent_writers --through sql|run|apart [--rows N] [--naive]
//
// Eight writers at once, three sequencers at once, transactions that hold low ids for the whole
// run, and sessions that are cut off in the middle. Then each row that was committed is looked for
// in the log. With --naive the next rows are those above the last id, and rows are missed.
//
// Exit status: 0 all is well, 1 the log is not what was committed, 2 it could not be found out.
#include <fmt/format.h>

#include <chrono>
#include <string>
#include <thread>

#include "pgtally/types.h"
#include "support/test_database.h"
#include "torture/comparison.h"
#include "torture/history.h"
#include "torture/ledger_under_test.h"
#include "torture/must.h"
#include "torture/naive_rule.h"
#include "torture/pgtally_program.h"
#include "torture/sequencers.h"
#include "torture/workload.h"

namespace pgtally::torture {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

struct Options {
  Through through = Through::kSql;
  std::uint64_t rows = 30'000;
  bool naive = false;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (argument == "--naive") {
      options.naive = true;
      continue;
    }
    ++i;
    if (argument == "--rows") {
      options.rows = std::stoull(value);
    } else if (argument == "--through" && (value == "sql" || value == "run" || value == "apart")) {
      options.through = value == "sql"   ? Through::kSql
                        : value == "run" ? Through::kRun
                                         : Through::kApart;
    } else {
      throw std::runtime_error(
          "usage: concurrent_writers --through sql|run|apart [--rows N] [--naive]");
    }
  }
  return options;
}

// Until enough is committed. Now and then a writer loses its session, wherever it may be.
std::vector<WriterRecord> write(const std::string& conninfo, std::uint64_t rows) {
  auto killer = must(pg::Connection::open(conninfo));
  Workload workload(conninfo, {});
  const auto deadline = steady_clock::now() + seconds(240);
  while (workload.committed() < rows) {
    if (steady_clock::now() > deadline) throw std::runtime_error("the writers are too slow");
    std::this_thread::sleep_for(milliseconds(100));
    must(
        killer.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                     "WHERE application_name = $1 AND datname = current_database() "
                     "ORDER BY random() LIMIT 1",
                     pg::Params().text(Workload::kApplicationName)));
  }
  workload.stop();
  return workload.records();
}

// Until all is in the log, or nothing has come for a while.
void wait_for_log(const Ledger& ledger, std::size_t rows, seconds patience) {
  std::uint64_t before = 0;
  auto since = steady_clock::now();
  while (steady_clock::now() - since < patience) {
    const std::uint64_t now = changes_in_log(ledger);
    if (now >= rows) break;
    if (now != before) since = steady_clock::now();
    before = now;
    std::this_thread::sleep_for(milliseconds(50));
  }
  // What comes a second time would come now.
  std::this_thread::sleep_for(milliseconds(500));
}

void print(const std::vector<WriterRecord>& records, const Truth& truth) {
  WriterRecord sum;
  for (const WriterRecord& record : records) {
    sum.transactions += record.transactions;
    sum.rolled_back += record.rolled_back;
    sum.savepoints += record.savepoints;
    sum.exceptions += record.exceptions;
  }
  fmt::print(
      "  {} writers: {} transactions committed ({} with exception blocks, {} with savepoints), "
      "{} rolled back, {} rows in doubt and looked up\n",
      records.size(), sum.transactions, sum.exceptions, sum.savepoints, sum.rolled_back,
      truth.in_doubt);
}

int run(const Options& options) {
  const test::TestDatabase database;
  const test::TestDirectory directory;
  const std::string conninfo = database.conninfo();
  found(conninfo, signing_state(directory));
  LongTransactions long_transactions(conninfo);
  add_sources(conninfo);
  if (options.naive) {
    install_naive_rule(conninfo,
                       {{"event", true, {"body", "id"}}, {"reading", false, {"body", "id"}}});
  }

  const auto begin = steady_clock::now();
  const auto sequencers = start_sequencers(options.through, conninfo, directory);
  const std::vector<WriterRecord> records = write(conninfo, options.rows);
  const Truth truth = find_truth(conninfo, records, long_transactions.commit());

  auto connection = must(pg::Connection::open(conninfo));
  const Ledger ledger = must(Ledger::open(connection, std::string(kDefaultSchema)));
  wait_for_log(ledger, truth.changes.size(), seconds(options.naive ? 3 : 30));
  sequencers->stop();
  const double elapsed = std::chrono::duration<double>(steady_clock::now() - begin).count();

  const Comparison comparison = compare(ledger, truth);
  fmt::print("concurrent writers{}, {:.1f} s\n", options.naive ? ", naive rule" : "", elapsed);
  print(records, truth);
  print(comparison);
  if (!comparison.is_clean()) return 1;

  run_pgtally({"run", "--once", "--state", signing_state(directory)}, conninfo, directory);
  run_pgtally({"rebuild", "--check"}, conninfo, directory);
  History history(ledger.vkey());
  history.add_stored(ledger);
  history.check_consistency(ledger);
  history.check_against_entries(ledger);
  fmt::print("  {} checkpoints verify and are consistent; rebuild --check is clean\n",
             history.size());
  if (history.largest().value != comparison.total.entries) {
    fmt::print("  but the newest is of size {}, not {}\n", history.largest().value,
               comparison.total.entries);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace pgtally::torture

int main(int argc, char** argv) {
  try {
    return pgtally::torture::run(pgtally::torture::parse(argc, argv));
  } catch (const std::exception& error) {
    fmt::print(stderr, "concurrent_writers: {}\n", error.what());
    return 2;
  }
}
