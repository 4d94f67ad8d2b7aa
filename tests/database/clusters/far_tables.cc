#include "far_tables.h"

#include "capture/logical.h"
#include "capture/readers.h"

namespace pgtally::test {
namespace {

const std::vector<std::string> kModes{"xid", "poll", "logical"};

}  // namespace

void create_far_tables(const Server& there) {
  for (const std::string& mode : kModes) {
    there.psql("CREATE TABLE far_" + mode + " (id bigserial PRIMARY KEY, note text)");
  }
  there.psql(
      "ALTER TABLE far_logical REPLICA IDENTITY FULL;"
      "ALTER TABLE far_xid ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();"
      "ALTER TABLE far_xid ADD CHECK (xid = pg_current_xact_id()) NOT VALID;"
      "CREATE INDEX ON far_xid (xid, id)");
}

void add_far_sources(const Server& ledger, const std::string& conninfo_there) {
  auto connection = connect(ledger.conninfo());
  const Ledger opened = must(Ledger::open(connection, "pgtally"));
  for (const std::string& mode : kModes) {
    SourceRequest request;
    request.name = "far_" + mode;
    request.table = "public.far_" + mode;
    request.key = {"id"};
    request.mode = mode;
    request.track_changes = mode == "logical";
    request.database = conninfo_there;
    SourcePlan plan = must(plan_source(opened, capture_modes(), request));
    if (mode == "logical") {
      must(complete_logical_plan(opened, plan));
      must(add_logical_source(opened, plan, {}));
    } else {
      must(pgtally::add_source(opened, plan));
    }
  }
}

void write_far(const Server& there, int rows) {
  for (const std::string& mode : kModes) {
    there.psql("INSERT INTO far_" + mode + " (note) SELECT 'n' FROM generate_series(1, " +
               std::to_string(rows) + ")");
  }
}

Result<OnceReport> run_far_once(const ClusterLedger& ledger) {
  return run_far_once_on(ledger.database(), ledger);
}

Result<OnceReport> run_far_once_on(const Server& server, const ClusterLedger& ledger) {
  RunnerOptions options = ledger.options(server.conninfo());
  options.readers = [](const Ledger& opened) { return make_readers(opened); };
  auto connection = connect(server.conninfo());
  return run_once(connection, options, {});
}

std::string not_once(const Server& rows, const Server& ledger, const std::string& table) {
  std::string wrong;
  for (const std::string& id : lines(rows.psql("SELECT id FROM " + table + " ORDER BY id"))) {
    const std::string n = ledger.psql(
        "SELECT count(*) FROM pgtally.processed_log JOIN pgtally.source USING (source_id) WHERE "
        "name = '" +
        table + "' AND operation = 1 AND convert_from(substr(key, 3), 'UTF8') = '" + id + "'");
    if (n != "1") wrong += table + " " + id + ": " + n + " times; ";
  }
  return wrong;
}

std::string far_not_once(const Server& there, const Server& ledger) {
  std::string wrong;
  for (const std::string& mode : kModes) wrong += not_once(there, ledger, "far_" + mode);
  return wrong;
}

}  // namespace pgtally::test
