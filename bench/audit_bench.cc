// An audit of a million rows of 10 mixed columns, held against what the server takes to deliver them.
//
// Each pair copies the rows out in the order of their key, as text, and throws them away; then runs
// `pgtally audit`, the log pass included. The ratio has to be 0.6 or more, and the program must never
// have taken more than 128 MiB.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "capture/modes.h"
#include "harness.h"
#include "ledger/ledger.h"
#include "ledger/registry.h"
#include "postgres/copy.h"
#include "service/founding.h"
#include "service/runner.h"

namespace {

using namespace pgtally;
using namespace pgtally::bench;

constexpr double kRequired = 0.6;
constexpr double kMostMebibytes = 128;

constexpr const char* kColumns =
    "id, account, payer, amount, currency, paid_at, day, reference, fee, note";

constexpr const char* kTable = R"sql(
  CREATE TABLE public.payment (
    id        bigint PRIMARY KEY,
    account   integer NOT NULL,
    payer     text NOT NULL,
    amount    numeric(12, 2) NOT NULL,
    currency  char(3) NOT NULL,
    paid_at   timestamptz NOT NULL,
    day       date NOT NULL,
    reference uuid NOT NULL,
    fee       double precision,
    note      text);
  INSERT INTO public.payment
  SELECT i, i % 10007, 'payer ' || i % 5003, (i * 37 % 1000000) / 100.0, 'EUR',
         timestamptz '2026-01-01 00:00:00Z' + i * interval '1.7 s', date '2026-01-01' + (i / 50000)::integer,
         md5(i::text)::uuid, CASE WHEN i % 3 = 0 THEN i / 7.0 END,
         CASE WHEN i % 4 = 0 THEN 'a note that says what payment ' || i || ' was for' END
    FROM generate_series(1, {}) AS i)sql";

RunnerOptions make_ledger(Server& server, std::int64_t rows) {
  RunnerOptions options;
  options.conninfo = server.fresh_database();
  options.schema = std::string(kDefaultSchema);
  options.state_directory = server.fresh_directory();
  auto connection = connect(options.conninfo);
  must(found_ledger(connection, {.origin = "bench.example/audit",
                                 .schema = options.schema,
                                 .state_directory = options.state_directory,
                                 .signing_key = "",
                                 .roles = Roles::kNone}));
  must(connection.execute(fmt::format(fmt::runtime(kTable), rows)));
  const Ledger ledger = must(Ledger::open(connection, options.schema));
  SourceRequest request;
  request.name = "payment";
  request.table = "public.payment";
  request.key = {"id"};
  request.mode = "poll";
  must(add_source(ledger, must(plan_source(ledger, capture_modes(), request))));
  (void)must(run_once(connection, options, {}));
  must(connection.execute("VACUUM ANALYZE"));
  return options;
}

std::int64_t copy_in_order(pg::Connection& connection) {
  auto copy = must(pg::CopyOut::start(
      connection,
      fmt::format("COPY (SELECT {} FROM public.payment ORDER BY id) TO STDOUT", kColumns)));
  std::int64_t rows = 0;
  while (must(copy.next())) ++rows;
  return rows;
}

// The program beside this one. Returns the most memory that it had, in MiB.
double run_audit(const RunnerOptions& options) {
  const pid_t pid = ::fork();
  if (pid < 0) fail(operator_error("fork() failed"));
  if (pid == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDOUT_FILENO);
    ::execl(PGTALLY_PROGRAM, PGTALLY_PROGRAM, "audit", "--json", "--database",
            options.conninfo.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  rusage used{};
  ::wait4(pid, &status, 0, &used);
  if (status != 0) fail(tampered(fmt::format("pgtally audit: status {}", status)));
  return static_cast<double>(used.ru_maxrss) / 1024;
}

bool measure(const Arguments& arguments, Server& server) {
  const RunnerOptions options = make_ledger(server, arguments.rows);
  auto connection = connect(options.conninfo);
  must(connection.execute("SET timezone = 'UTC'"));
  (void)copy_in_order(connection);

  const auto rows = static_cast<double>(arguments.rows);
  double peak = 0;
  Comparison comparison("an audit of rows of 10 columns, against COPY (… ORDER BY key) TO STDOUT",
                        "rows/s", kRequired);
  const auto copy = [&] {
    return seconds_of([&] {
      if (copy_in_order(connection) != arguments.rows) fail(tampered("rows are missing"));
    });
  };
  const auto audit = [&] { return seconds_of([&] { peak = std::max(peak, run_audit(options)); }); };
  for (int pair = 0; pair < arguments.pairs_or(5); ++pair) {
    const bool copy_first = pair % 2 == 0;
    const double first = copy_first ? copy() : audit();
    const double second = copy_first ? audit() : copy();
    comparison.add(rows / (copy_first ? second : first), rows / (copy_first ? first : second));
  }
  const bool holds = comparison.report();
  fmt::print("| memory of an audit of {} rows (peak) | {:.0f} MiB | | | < {:.0f} MiB |\n",
             arguments.rows, peak, kMostMebibytes);
  return holds && peak < kMostMebibytes;
}

}  // namespace

int main(int argc, char** argv) {
  return pgtally::bench::run(argc, argv, measure);
}
