// The service beside a log of a million entries: memory, start, and what an idle cycle costs.
//
// Usage: service_bench [options of the others]; runs the pgtally that was built beside it.
#include <fmt/format.h>

#include <chrono>
#include <fstream>

#include "bench_ledger.h"
#include "capture/modes.h"
#include "ledger/registry.h"
#include "processes.h"

namespace {

using namespace pgtally;
using namespace pgtally::bench;

constexpr double kMostMebibytes = 64;
constexpr double kMostSeconds = 1;
constexpr int kIdleCycles = 300;

double peak_mebibytes(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string word; status >> word;) {
    double kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes / 1024;
  }
  return 0;
}

// Until a row that waits when the process starts is under a signed checkpoint: nothing is readier.
double seconds_from_start_to_checkpoint(BenchLedger& made, std::int64_t next_key) {
  must(made.connection().execute(fmt::format(
      "INSERT INTO public.event VALUES ({0}, now(), sha256(int8send({0})))", next_key)));
  std::optional<Service> service;
  return seconds_of([&] {
    service.emplace(made.conninfo(), made.options().state_directory, Service::Log::kRead);
    service->wait_for("checkpoint");
  });
}

void add_sources(BenchLedger& made, int count) {
  const Ledger ledger = must(Ledger::open(made.connection(), made.options().schema));
  for (int i = 2; i <= count; ++i) {
    const std::string name = fmt::format("event_{}", i);
    must(made.connection().execute(fmt::format(
        "CREATE TABLE public.{0} (id bigint PRIMARY KEY, sha256 bytea NOT NULL);"
        "INSERT INTO public.{0} SELECT g, sha256(int8send(g)) FROM generate_series(1, 100) AS g",
        name)));
    SourceRequest request;
    request.name = name;
    request.table = "public." + name;
    request.key = {"id"};
    request.mode = "poll";
    request.hash_column = "sha256";
    must(add_source(ledger, must(plan_source(ledger, capture_modes(), request))));
  }
  (void)made.run_once(made.options().settings.batch_rows);
}

// Prints milliseconds and transaction ids of a cycle that finds nothing. False if it took any id.
bool report_idle_cycles(BenchLedger& made, int sources) {
  auto connection = connect(made.conninfo());
  const Ledger ledger = must(Ledger::open(connection, made.options().schema));
  std::string why_not;
  Cycle cycle = must(make_cycle(ledger, made.options(), &why_not));
  must(cycle.check(ledger));
  (void)must(cycle.run_once(ledger, Road::kFast, true));
  const auto next_xid = [&] {
    return value(connection, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text");
  };
  const std::string before = next_xid();
  const double seconds = seconds_of([&] {
    for (int i = 0; i < kIdleCycles; ++i) (void)must(cycle.run_once(ledger, Road::kFast));
  });
  const std::string after = next_xid();
  const bool none = before == after;
  fmt::print("| an idle cycle, {} sources | {:.2f} ms | | | {} |\n", sources,
             seconds * 1000 / kIdleCycles,
             none ? "takes no transaction id" : "TAKES TRANSACTION IDS");
  return none;
}

bool measure(const Arguments& arguments, Server& server) {
  BenchLedger made(server, Mode::kPoll, arguments.rows);
  bool holds = true;
  {
    Service service(made.conninfo(), made.options().state_directory, Service::Log::kRead);
    service.wait_for(fmt::format("size={}", made.full_size()).c_str());
    const double peak = peak_mebibytes(service.pid());
    holds = holds && peak < kMostMebibytes;
    fmt::print(
        "| memory of the service, {} rows recorded (peak) | {:.0f} MiB | | | < {:.0f} MiB |\n",
        arguments.rows, peak, kMostMebibytes);
  }
  std::vector<double> starts;
  for (int i = 1; i <= 2 * arguments.pairs_or(3) + 1; ++i) {
    starts.push_back(seconds_from_start_to_checkpoint(made, arguments.rows + i));
  }
  holds = holds && median(starts) < kMostSeconds;
  fmt::print("| start to the first checkpoint, {} entries | {:.0f} ms | | | < {:.0f} ms |\n",
             arguments.rows, median(starts) * 1000, kMostSeconds * 1000);
  holds = report_idle_cycles(made, 1) && holds;
  add_sources(made, 40);
  holds = report_idle_cycles(made, 40) && holds;
  return holds;
}

}  // namespace

int main(int argc, char** argv) {
  return pgtally::bench::run(argc, argv, measure);
}
