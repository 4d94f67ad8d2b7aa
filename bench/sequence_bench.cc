// A cycle over waiting rows, until the last is under a signed checkpoint, held against a bare
// INSERT … SELECT … ORDER BY of the same rows into a table with the same columns and indexes.
//
// Both run in the same database, in turns, each pair in a fresh one, after a CHECKPOINT each. The
// ratio has to be 0.8 or more in mode poll.
#include <fmt/format.h>

#include <array>
#include <chrono>

#include "bench_ledger.h"

namespace {

using namespace pgtally;
using namespace pgtally::bench;

constexpr double kRequired = 0.8;

// Where the time goes: between one step of the cycle and the next.
class Profile : public StepObserver {
 public:
  void reached(Step step) override {
    const auto now = std::chrono::steady_clock::now();
    spent_[static_cast<std::size_t>(step)] += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }
  void print() const {
    constexpr std::array<const char*, kSteps> kNames{"wait for the lock",
                                                     "pending()",
                                                     "number, hash, copy",
                                                     "tiles, head, round",
                                                     "",
                                                     "COMMIT",
                                                     "guard",
                                                     "signature",
                                                     "store checkpoint"};
    fmt::print("    seconds:");
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      if (*kNames[i] != '\0') fmt::print(" {} {:.2f},", kNames[i], spent_[i]);
    }
    fmt::print("\n");
  }

 private:
  std::array<double, kSteps> spent_{};
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

double time_cycle(BenchLedger& ledger, const Arguments& arguments) {
  must(ledger.connection().execute("CHECKPOINT"));
  Profile profile;
  std::uint64_t size = 0;
  const double cpu = own_cpu_seconds();
  const double seconds =
      seconds_of([&] { size = ledger.run_once(arguments.batch_rows, &profile); });
  if (size != ledger.full_size()) {
    fail(tampered(fmt::format("signed {} of {} entries", size, ledger.full_size())));
  }
  profile.print();
  fmt::print("    CPU seconds: server {:.2f}, client {:.2f}\n", ledger.server_cpu(),
             own_cpu_seconds() - cpu);
  return seconds;
}

double time_bare_insert(BenchLedger& ledger, const Arguments& arguments) {
  must(ledger.connection().execute("CHECKPOINT"));
  std::uint64_t rows = 0;
  const double seconds = seconds_of([&] { rows = ledger.bare_insert(); });
  if (rows != static_cast<std::uint64_t>(arguments.rows)) fail(tampered("rows are missing"));
  fmt::print("    CPU seconds of the bare insert: {:.2f}\n", ledger.server_cpu());
  return seconds;
}

bool measure(const Arguments& arguments, Server& server) {
  fmt::print("{} rows, {} a batch\n", arguments.rows, arguments.batch_rows);
  const auto rows = static_cast<double>(arguments.rows);
  bool holds = true;
  for (const Mode mode : kModes) {
    if (!arguments.mode.empty() && arguments.mode != name_of(mode)) continue;
    Comparison comparison(fmt::format("a cycle, mode {}, against INSERT … SELECT", name_of(mode)),
                          "rows/s", mode == Mode::kPoll ? kRequired : 0);
    for (int pair = 0; pair < arguments.pairs_or(3); ++pair) {
      BenchLedger ledger(server, mode, arguments.rows);
      const bool ours_first = pair % 2 == 0;
      const double first =
          ours_first ? time_cycle(ledger, arguments) : time_bare_insert(ledger, arguments);
      const double second =
          ours_first ? time_bare_insert(ledger, arguments) : time_cycle(ledger, arguments);
      comparison.add(rows / (ours_first ? first : second), rows / (ours_first ? second : first));
    }
    holds = comparison.report() && holds;
  }
  return holds;
}

}  // namespace

int main(int argc, char** argv) {
  return pgtally::bench::run(argc, argv, measure);
}
