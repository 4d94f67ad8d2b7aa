// What recording costs those who write: pgbench alone, held against pgbench in a database whose table
// is a source, with the service running beside it.
//
// Both run in turns in one cluster, on the same CPUs as pgbench and the service, so that the ratio
// also holds what the service takes away from the workload where there is no CPU to spare.
#include <fmt/format.h>

#include "writers_stage.h"

namespace {

using namespace pgtally;
using namespace pgtally::bench;

constexpr int kPairs = 5;
constexpr std::int64_t kCopyRows = 100'000;
constexpr double kCopyRequired = 1.0 / 4;

struct RequiredOf {
  const char* mode;
  double ratio;
};
constexpr RequiredOf kModesHere[] = {
    {"logical", 0.95}, {"poll", 0.95}, {"xid", 0.87}, {"trigger", 0.70}};

bool measure_clients(WritersStage& stage, const Arguments& arguments, const RequiredOf& mode,
                     Workload workload, int clients) {
  const std::string what =
      fmt::format("{}, {} {}", name_of(workload), clients, clients == 1 ? "client" : "clients");
  Comparison comparison(fmt::format("{}, mode {}, against the same alone", what, mode.mode), "tps",
                        mode.ratio);
  // What of it the server takes: nothing that is built on it can cost less.
  Comparison floor(
      fmt::format("{}, {}, against the same alone", what,
                  mode.mode == std::string("trigger") ? "a trigger that only queues the key"
                                                      : "pg_recvlogical to /dev/null"),
      "tps", 0);
  for (int pair = 0; pair < arguments.pairs_or(kPairs); ++pair) {
    double recorded = 0;
    double alone = 0;
    for (const bool ours : {pair % 2 == 0, pair % 2 != 0}) {
      (ours ? recorded : alone) = ours ? stage.recorded(clients, arguments.seconds)
                                       : stage.alone(clients, arguments.seconds);
    }
    comparison.add(recorded, alone);
    fmt::print("    the service was at the end of its backlog after another {:.1f} s\n",
               stage.backlog_seconds());
    if (stage.has_floor()) floor.add(stage.floor(clients, arguments.seconds), alone);
  }
  if (stage.has_floor()) floor.report();
  return comparison.report();
}

bool measure_copy(WritersStage& stage, const Arguments& arguments) {
  Comparison comparison(
      fmt::format("COPY of {} rows, mode trigger, against the same alone", kCopyRows), "rows/s",
      kCopyRequired);
  const auto rows = static_cast<double>(kCopyRows);
  for (int pair = 0; pair < arguments.pairs_or(kPairs); ++pair) {
    double recorded = 0;
    double alone = 0;
    for (const bool ours : {pair % 2 == 0, pair % 2 != 0}) {
      (ours ? recorded : alone) =
          rows / (ours ? stage.copy_recorded(kCopyRows) : stage.copy_alone(kCopyRows));
    }
    comparison.add(recorded, alone);
  }
  return comparison.report();
}

bool measure(const Arguments& arguments, Server& server) {
  bool holds = true;
  for (const RequiredOf& mode : kModesHere) {
    if (!arguments.mode.empty() && arguments.mode != mode.mode) continue;
    for (const Workload workload : kWorkloads) {
      WritersStage stage(server, mode.mode, workload);
      for (const int clients : {1, 4, 16}) {
        holds = measure_clients(stage, arguments, mode, workload, clients) && holds;
      }
      const bool copies = workload == Workload::kInserts && mode.mode == std::string("trigger");
      if (copies) holds = measure_copy(stage, arguments) && holds;
    }
  }
  return holds;
}

}  // namespace

int main(int argc, char** argv) {
  return pgtally::bench::run(argc, argv, measure, {{"wal_level", "logical"}});
}
