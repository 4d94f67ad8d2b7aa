// all_modes [--rows N] [--modes xid,poll,…] [--naive]
//
// Ten writers on tables that are captured in every way there is, in two databases, while the service
// and the server are killed every few seconds. Then each change that was committed is looked for in
// the log. With --naive the next rows are those above the last id, and rows are missed.
//
// Exit status: 0 all is well, 1 the log is not what was committed, 2 it could not be found out.
#include <fmt/format.h>

#include <chrono>
#include <sstream>
#include <string>
#include <thread>

#include "pgtally/types.h"
#include "support/test_database.h"
#include "torture/change_truth.h"
#include "torture/change_writers.h"
#include "torture/comparison.h"
#include "torture/history.h"
#include "torture/must.h"
#include "torture/naive_rule.h"
#include "torture/pgtally_program.h"
#include "torture/source_tables.h"
#include "torture/storm.h"

namespace pgtally::torture {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kWriters = 10;
// For the service to come to the end of its backlog after the last crash.
constexpr seconds kPatience{90};
constexpr seconds kLongest{1200};

struct Options {
  std::uint64_t rows = 50'000;
  std::vector<std::string> modes;  // empty: all
  bool naive = false;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (argument == "--naive") {
      options.naive = true;
      // The rule has no answer for updates, deletes and other databases.
      options.modes = {"append", "xid", "poll"};
    } else if (argument == "--rows" && !value.empty()) {
      options.rows = std::stoull(value);
      ++i;
    } else if (argument == "--modes" && !value.empty()) {
      std::istringstream list(value);
      for (std::string mode; std::getline(list, mode, ',');) options.modes.push_back(mode);
      ++i;
    } else {
      throw std::runtime_error("usage: all_modes [--rows N] [--modes MODE,…] [--naive]");
    }
  }
  return options;
}

// Of the tables that the service finds every change of without a sweep.
std::uint64_t to_be_found(const Truth& truth, const std::vector<SourceTable>& tables) {
  std::uint64_t count = 0;
  for (const auto& [id, change] : truth.changes) {
    for (const SourceTable& table : tables) {
      count += table.name == id.source && table.mode != "poll" ? 1U : 0U;
    }
  }
  return count;
}

std::uint64_t found(const Ledger& ledger) {
  const auto rows = must(ledger.query(
      "SELECT count(*) FROM pgtally.processed_log JOIN pgtally.source USING (source_id) "
      "WHERE operation <= 4 AND mode <> 'poll'"));
  return static_cast<std::uint64_t>(must(rows.get<std::int64_t>(0, 0)));
}

// Until the service has found what it finds without a sweep. False if it does not.
bool wait_for_service(const Ledger& ledger, std::uint64_t changes) {
  const auto deadline = steady_clock::now() + kPatience;
  while (found(ledger) < changes) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return true;
}

void print(const std::vector<ChangeRecord>& records, const Truth& truth) {
  ChangeRecord sum;
  std::size_t transactions = 0;
  for (const ChangeRecord& record : records) {
    transactions += record.transactions.size();
    sum.rolled_back += record.rolled_back;
    sum.failed += record.failed;
    sum.prepared += record.prepared;
    sum.prepared_rolled_back += record.prepared_rolled_back;
    sum.long_ones += record.long_ones;
    sum.savepoints += record.savepoints;
    sum.exceptions += record.exceptions;
    sum.late_keys += record.late_keys;
  }
  fmt::print(
      "  {} writers: {} transactions, {} more rolled back, {} lost or refused; {} prepared, of "
      "which "
      "{} rolled back\n  {} of 1 to 5 seconds, {} savepoints rolled back, {} exception blocks, {} "
      "rows with a key of a stock of 20, {} changes in doubt and looked up\n",
      records.size(), transactions, sum.rolled_back, sum.failed, sum.prepared,
      sum.prepared_rolled_back, sum.long_ones, sum.savepoints, sum.exceptions, sum.late_keys,
      truth.in_doubt);
}

void check_signed(const Ledger& ledger, const Comparison& comparison) {
  History history(ledger.vkey());
  history.add_stored(ledger);
  history.check_consistency(ledger);
  history.check_against_entries(ledger);
  if (history.largest().value != comparison.total.entries) {
    throw std::runtime_error(fmt::format("the newest checkpoint is of size {}, not {}",
                                         history.largest().value, comparison.total.entries));
  }
  fmt::print("  {} checkpoints verify and are consistent; rebuild --check is clean\n",
             history.size());
}

int run(const Options& options) {
  test::TestCluster cluster;
  const test::TestDirectory directory;
  const std::vector<SourceTable> tables = source_tables(options.modes);
  const Databases databases = make_databases(cluster, directory, tables);
  const std::string state = signing_state(directory);

  const auto begin = steady_clock::now();
  ChangeWriters writers(databases, tables, kWriters);
  add_sources(databases, directory, tables);
  if (options.naive) {
    install_naive_rule(databases.home, {{"event", true, {"body", "id", "version"}},
                                        {"reading", false, {"body", "id", "version"}}});
  }
  // The rows that were there before are recorded as the first sweep finds them; what they were before
  // an update that comes earlier is not known to anybody.
  run_pgtally({"run", "--once", "--state", state}, databases.home, directory);
  writers.settle();
  Storm storm(cluster, databases.home, directory);
  const std::uint64_t goal = writers.committed() + options.rows;
  while (writers.committed() < goal) {
    if (steady_clock::now() - begin > kLongest) throw std::runtime_error("writers are too slow");
    storm.strike();
  }
  writers.stop();
  const Truth truth = find_truth(databases, tables, writers.records());
  const std::uint64_t rows = check_tables(databases, tables, truth);

  auto connection = must(pg::Connection::open(databases.home));
  const Ledger ledger = must(Ledger::open(connection, std::string(kDefaultSchema)));
  const bool caught_up = options.naive || wait_for_service(ledger, to_be_found(truth, tables));
  if (!caught_up) {
    fmt::print("the service does not come to the end of its backlog; what it said last:\n{}\n",
               storm.last_words());
  }
  storm.end_service();
  const double elapsed = std::chrono::duration<double>(steady_clock::now() - begin).count();
  run_pgtally({"run", "--once", "--state", state}, databases.home, directory);
  const Comparison before_sweep = compare(ledger, truth);
  if (!options.naive) {
    run_pgtally({"sweep"}, databases.home, directory);
    run_pgtally({"run", "--once", "--state", state}, databases.home, directory);
  }
  const Comparison comparison = compare(ledger, truth);

  fmt::print("all modes{}, {:.0f} s: {} kills of the service, {} crashes of the server\n",
             options.naive ? ", naive rule" : "", elapsed, storm.kills(), storm.crashes());
  print(writers.records(), truth);
  fmt::print("  the sweep found {} more; the {} rows of the tables are what the log gives\n",
             before_sweep.total.missed - comparison.total.missed, rows);
  print(comparison, true);
  if (!comparison.is_clean()) return 1;
  run_pgtally({"rebuild", "--check"}, databases.home, directory);
  check_signed(ledger, comparison);
  return caught_up ? 0 : 1;
}

}  // namespace
}  // namespace pgtally::torture

int main(int argc, char** argv) {
  try {
    return pgtally::torture::run(pgtally::torture::parse(argc, argv));
  } catch (const std::exception& error) {
    fmt::print(stderr, "all_modes: {}\n", error.what());
    return 2;
  }
}
