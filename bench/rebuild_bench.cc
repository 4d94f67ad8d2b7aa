// A rebuild of the tree, held against reading the same rows in order.
//
// Each pair reads the entries' columns by COPY and throws them away, then rebuilds: once with all
// tiles there, which it compares, once with none, which it writes. Both ratios have to be 0.5 or more.
#include <fmt/format.h>

#include "bench_ledger.h"
#include "ledger/rebuild.h"
#include "postgres/copy.h"

namespace {

using namespace pgtally;
using namespace pgtally::bench;

constexpr double kRequired = 0.5;

// Every field is looked at, so that nothing is left to laziness.
std::size_t read_in_order(pg::Connection& connection) {
  auto copy = must(pg::CopyOut::start(
      connection,
      "COPY (SELECT id, source_id, definition, ordinal, operation, key, source_position, "
      "source_time, content_hash, sequenced_at FROM pgtally.processed_log ORDER BY id) "
      "TO STDOUT (FORMAT binary)"));
  std::size_t rows = 0;
  while (must(copy.next())) {
    if (copy.columns() == 10) ++rows;
  }
  return rows;
}

void rebuild(const Ledger& ledger, std::uint64_t size, bool from_nothing) {
  const RebuildReport report = must(rebuild_tree(ledger, {}));
  const bool as_expected = report.size.value == size && (report.repaired > 0) == from_nothing;
  if (!as_expected) fail(tampered("the rebuild did something else than was to be measured"));
}

// Only a superuser who switches the guard off can do this.
void drop_tiles(pg::Connection& connection) {
  must(connection.execute(
      "BEGIN; ALTER TABLE pgtally.tile DISABLE TRIGGER refuse_change; TRUNCATE pgtally.tile;"
      "ALTER TABLE pgtally.tile ENABLE ALWAYS TRIGGER refuse_change; COMMIT"));
}

bool measure(const Arguments& arguments, Server& server) {
  BenchLedger made(server, Mode::kPoll, arguments.rows);
  const std::uint64_t size = made.run_once(arguments.batch_rows);
  auto connection = connect(made.conninfo());
  const Ledger ledger = must(Ledger::open(connection, made.options().schema));
  must(connection.execute("VACUUM ANALYZE pgtally.processed_log"));
  (void)read_in_order(connection);

  const auto entries = static_cast<double>(size);
  bool holds = true;
  for (const bool from_nothing : {false, true}) {
    Comparison comparison(
        from_nothing ? "a rebuild that writes all tiles, against reading the rows in order"
                     : "a rebuild that compares all tiles, against reading the rows in order",
        "entries/s", kRequired);
    for (int pair = 0; pair < arguments.pairs_or(3); ++pair) {
      if (from_nothing) drop_tiles(connection);
      must(connection.execute("CHECKPOINT"));
      const double reading = seconds_of([&] {
        if (read_in_order(connection) != size) fail(tampered("rows are missing"));
      });
      const double rebuilding = seconds_of([&] { rebuild(ledger, size, from_nothing); });
      comparison.add(entries / rebuilding, entries / reading);
    }
    holds = comparison.report() && holds;
  }
  return holds;
}

}  // namespace

int main(int argc, char** argv) {
  return pgtally::bench::run(argc, argv, measure);
}
