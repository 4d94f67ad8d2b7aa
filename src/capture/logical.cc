#include "capture/logical.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/encoding.h"
#include "capture/logical_fit.h"
#include "capture/logical_load.h"
#include "capture/logical_reader.h"
#include "capture/logical_setup.h"
#include "capture/logical_store.h"
#include "ledger/registry.h"
#include "postgres/further_session.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

std::string conninfo_of(const Ledger& ledger, const SourcePlan& plan) {
  return plan.endpoint ? plan.endpoint->conninfo : pg::conninfo_of(ledger.connection());
}

Result<std::optional<std::int32_t>> endpoint_of(const Ledger& ledger, const SourcePlan& plan) {
  if (!plan.endpoint) return std::optional<std::int32_t>{};
  TRY([[maybe_unused]] const auto made,
      ledger.query("INSERT INTO pgtally.endpoint (conninfo, place) VALUES ($1, $2) "
                   "ON CONFLICT (conninfo) DO NOTHING",
                   pg::Params().text(plan.endpoint->conninfo).text(plan.endpoint->place)));
  TRY(const auto rows, ledger.query("SELECT endpoint_id FROM pgtally.endpoint WHERE conninfo = $1",
                                    pg::Params().text(plan.endpoint->conninfo)));
  TRY(const auto id, rows.get<std::int32_t>(0, 0));
  return std::optional(id);
}

void say(const LogicalAdding& adding, const std::string& what) {
  if (adding.remark) adding.remark(what);
}

// One that adds or loads holds it; others wait their turn.
Result<LoadLock> wait_for_lock(const Ledger& ledger, const Stream& stream,
                               const LogicalAdding& adding) {
  const auto deadline = std::chrono::steady_clock::now() + adding.slot_timeout;
  for (bool first = true;; first = false) {
    TRY(auto lock, LoadLock::try_take(ledger, stream.id));
    if (lock) return std::move(*lock);
    if (first) say(adding, "waiting for rows of another source to be loaded");
    if (std::chrono::steady_clock::now() >= deadline || (adding.cancelled && adding.cancelled())) {
      return retry("the rows of another source of the same database are still being loaded",
                   "Run the command again when pgtally source list does not say loading any more.");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

// A row is published through the topmost table that is in a publication, and through no other.
Result<void> check_overlap(const Ledger& ledger, const Stream& stream, pg::Connection& database,
                           const TableShape& table) {
  TRY(const auto sources, read_stream_sources(ledger, stream.id));
  std::vector<std::int64_t> others;
  for (const StreamSource& source : sources) {
    if (source.relation != table.oid) others.push_back(source.relation);
  }
  TRY(const auto rows,
      database.query("SELECT o::oid::regclass::text FROM unnest($1::int8[]) AS o "
                     "WHERE o::oid IN (SELECT relid FROM pg_partition_tree($2::oid::regclass) "
                     "UNION SELECT relid FROM pg_partition_ancestors($2::oid::regclass)) LIMIT 1",
                     pg::Params().int8_array(others).int8(table.oid)));
  if (rows.empty()) return {};
  TRY(const auto other, rows.get<std::string>(0, 0));
  return reject(
      table.qualified + " and " + other +
          ", which is a source already, hold the same rows: one is a partition of the other",
      "Add the partitioned table alone; its entries are those of all its partitions.");
}

// The statements that make it a source of its stream, in the transaction that registers it.
Result<std::string> stream_statements(const Ledger& ledger, const Stream& stream,
                                      const SourcePlan& plan, const KnownColumns& known,
                                      const SlotState& slot, pg::Lsn point, bool is_new) {
  TRY(const auto name, pg::quote_literal(plan.definition.source));
  std::vector<std::string> columns;
  for (const std::string& column : known.names) {
    TRY(columns.emplace_back(), pg::quote_literal(column));
  }
  std::string script;
  if (is_new) {
    TRY(const auto system, pg::quote_literal(slot.system_identifier));
    script += fmt::format(
        "UPDATE {0}.stream SET system_identifier = {1} WHERE stream_id = {2};\n"
        "SELECT {0}.advance_stream({2}, NULL, '{3}', 0);\n",
        ledger.schema(), system, stream.id, pg::to_string(point));
  }
  return script +
         fmt::format(
             "INSERT INTO {0}.stream_source (source_id, stream_id, relation, columns, "
             "attributes, start_lsn, load, barrier)\n"
             "SELECT source_id, {1}, {2}, ARRAY[{3}]::text[], ARRAY[{4}]::bigint[], '{5}', "
             "{6}, {7} FROM {0}.source WHERE name = {8};\n",
             ledger.schema(), stream.id, plan.table->oid, fmt::join(columns, ", "),
             fmt::join(known.numbers, ", "), pg::to_string(point),
             plan.skip_existing ? "NULL" : "'copy'",
             plan.skip_existing ? "NULL" : "'" + pg::to_string(point) + "'", name);
}

// The slot and the snapshot of its starting point.
Result<LoadSnapshot> make_slot(const Stream& stream, bool is_new, const LogicalAdding& adding) {
  if (!is_new) return LoadSnapshot::take(stream, adding.slot_timeout, adding.cancelled);
  TRY(auto creator, pg::Replication::open(stream.conninfo));
  TRY(const pg::CreatedSlot slot, creator.create_slot({.name = stream.slot,
                                                       .snapshot = pg::SlotSnapshot::kExport,
                                                       .timeout = adding.slot_timeout,
                                                       .cancelled = adding.cancelled}));
  return LoadSnapshot::adopt(stream.conninfo, slot);
}

// After a failure, or a crash of somebody else: what no source needs. Under the lock.
Result<void> take_back(const Ledger& ledger, const Stream& stream, pg::Connection& database) {
  TRY(const auto sources, read_stream_sources(ledger, stream.id));
  if (sources.empty()) {
    TRY_VOID(drop_objects(database, stream));
    return forget_stream(ledger, stream.id);
  }
  std::vector<std::uint32_t> wanted;
  for (const StreamSource& source : sources) wanted.push_back(source.relation);
  return unpublish_others(database, stream, wanted);
}

Result<std::uint64_t> load_rows(const Ledger& ledger, const Stream& stream, LoadSnapshot& snapshot,
                                const std::string& name, const LogicalAdding& adding) {
  TRY(const auto sources, read_stream_sources(ledger, stream.id));
  const auto source = std::find_if(sources.begin(), sources.end(),
                                   [&](const StreamSource& s) { return s.name == name; });
  if (source == sources.end()) return retry("source " + name + " is gone again");
  TRY(TableLoad load, TableLoad::begin(ledger, stream, snapshot, *source));
  std::uint64_t rows = 0;
  const auto report = [&] {
    if (adding.progress) adding.progress(rows, std::max(rows, load.expected_rows()));
  };
  while (true) {
    TRY(const TableLoad::Step step, load.next(ledger, [&]() -> Result<void> {
      rows = load.source().loaded;
      report();
      return {};
    }));
    rows = load.source().loaded;
    report();
    if (step.done) return rows;
    if (adding.cancelled && adding.cancelled()) return retry("it was stopped");
  }
}

}  // namespace

Result<void> complete_logical_plan(const Ledger& ledger, SourcePlan& plan) {
  if (plan.definition.mode != "logical") return {};
  TRY(auto database, open_source(conninfo_of(ledger, plan)));
  return complete_plan(database, plan);
}

Result<LogicalAdded> add_logical_source(const Ledger& ledger, const SourcePlan& plan,
                                        const LogicalAdding& adding) {
  TRY(const auto endpoint, endpoint_of(ledger, plan));
  TRY(Stream stream, stream_of(ledger, endpoint));
  TRY(auto database, open_source(stream.conninfo));
  TRY(const LoadLock lock, wait_for_lock(ledger, stream, adding));
  TRY(stream, stream_of(ledger, endpoint));  // whoever had the lock may have retired it
  TRY_VOID(check_overlap(ledger, stream, database, *plan.table));
  TRY(const auto progress, read_stream_progress(ledger, stream.id));
  const bool is_new = !progress;
  TRY(const KnownColumns known, columns_in_catalog(database, plan.table->oid));

  std::optional<LoadSnapshot> snapshot;
  const auto attempt = [&]() -> Result<void> {
    if (is_new)
      TRY_VOID(drop_slot(database, stream.slot, SlotOf::kCluster));  // of an adding that was killed
    TRY_VOID(ensure_publications(database, stream));
    TRY_VOID(publish(database, stream, plan.table->oid, plan.track_changes));
    say(adding, "making a replication slot, which waits for all transactions that are running");
    TRY(snapshot, make_slot(stream, is_new, adding));
    TRY(const SlotState slot, read_slot(database, stream.slot));
    SourcePlan complete = plan;
    TRY(complete.also,
        stream_statements(ledger, stream, plan, known, slot, snapshot->point(), is_new));
    return add_source(ledger, complete);
  };
  if (const Result<void> added = attempt(); !added.ok()) {
    const Result<void> undone = take_back(ledger, stream, database);
    Error error = added.error();
    if (!undone.ok()) {
      error.hint += (error.hint.empty() ? "" : "\n") + ("Slot or publication " + stream.slot +
                                                        " may be left behind; the next source add "
                                                        "or run removes it (" +
                                                        undone.error().message + ").");
    }
    return error;
  }
  LogicalAdded added;
  if (plan.skip_existing) return added;
  auto rows = load_rows(ledger, stream, *snapshot, plan.definition.source, adding);
  if (rows.ok()) {
    added.existing_rows = *rows;
  } else {
    added.unfinished = rows.error().message;
  }
  return added;
}

Result<std::string> logical_remarks(const Ledger& ledger, const SourcePlan& plan) {
  if (plan.definition.mode != "logical") return std::string();
  return fmt::format(
      "-- Mode logical also puts {} into a publication ({}) and makes a replication slot, from "
      "whose\n"
      "-- snapshot the rows that are there are taken. No script can do that: let pgtally source "
      "add\n"
      "-- run as a user who owns the table and has REPLICATION, and CREATE on the database.\n"
      "-- Schema of the ledger: {}\n",
      plan.definition.relation,
      plan.track_changes ? "insert, update, delete, truncate" : "insert, truncate",
      ledger.schema());
}

Result<void> tidy_streams(const Ledger& ledger) {
  TRY(const auto streams, read_streams(ledger));
  for (const Stream& stream : streams) {
    TRY(const auto lock, LoadLock::try_take(ledger, stream.id));
    if (!lock) continue;
    TRY(auto database, open_source(stream.conninfo));
    TRY_VOID(take_back(ledger, stream, database));
  }
  return {};
}

Result<void> request_comparison(const Ledger& ledger, std::int32_t source_id) {
  TRY([[maybe_unused]] const auto rows,
      ledger.query("UPDATE pgtally.stream_source SET load = 'compare', barrier = NULL, "
                   "cursor_key = NULL, loaded = 0 WHERE source_id = $1 AND load IS NULL",
                   pg::Params().int4(source_id)));
  return {};
}

Result<Readers> make_logical_readers(const Ledger& ledger) {
  Readers readers;
  TRY(const auto streams, read_streams(ledger));
  for (const Stream& stream : streams) readers.push_back(std::make_unique<LogicalReader>(stream));
  return readers;
}

}  // namespace pgtally
