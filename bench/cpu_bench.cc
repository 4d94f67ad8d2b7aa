// What recording takes of the CPUs that it shares with those who write, at rates that the machine can
// carry. A figure that another program's noise does not change, where transactions a second do.
#include <fmt/format.h>

#include "writers_stage.h"

namespace {

using namespace pgtally;
using namespace pgtally::bench;

constexpr int kRates[] = {500, 2000, 5000};

bool measure(const Arguments& arguments, Server& server) {
  for (const std::string mode : {"poll", "xid", "trigger", "logical"}) {
    if (!arguments.mode.empty() && arguments.mode != mode) continue;
    WritersStage stage(server, mode, Workload::kInserts);
    for (const int rate : kRates) {
      const WritersStage::Taken taken = stage.taken_at(rate, arguments.seconds);
      const auto a_row = [&](double seconds) { return seconds * 1e6 / taken.rows; };
      const double all = taken.service + taken.sessions + taken.wal_sender;
      fmt::print(
          "| {}, {} rows/s | service {:.1f} µs, its sessions {:.1f} µs, WAL sender {:.1f} µs, in "
          "all "
          "{:.1f} µs a row; {:.1f} % of a CPU | late by {:.0f} ms, median |\n",
          mode, rate, a_row(taken.service), a_row(taken.sessions), a_row(taken.wal_sender),
          a_row(all), all / taken.rows * rate * 100, taken.late_median * 1e3);
      std::fflush(stdout);
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  return pgtally::bench::run(argc, argv, measure, {{"wal_level", "logical"}});
}
