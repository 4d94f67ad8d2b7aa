// What `source check` says of sources that are read from a replication slot.

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "capture/logical.h"
#include "capture/logical_fit.h"
#include "capture/logical_setup.h"
#include "capture/logical_store.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

// Beyond this, retained WAL is worth a word.
constexpr std::int64_t kMuchWal = std::int64_t{1} << 30;

std::string megabytes(std::int64_t bytes) {
  return fmt::format("{} MB", bytes >> 20);
}

void check_slot(const Stream& stream, const SlotState& slot, const std::string& wal_level,
                std::vector<std::string>& problems) {
  if (wal_level != "logical") {
    problems.push_back("wal_level of its server is " + wal_level +
                       ": run ALTER SYSTEM SET wal_level = logical and restart the server");
  }
  if (slot.system_identifier != stream.system_identifier) {
    problems.push_back(
        "its database is in another cluster now; its reader makes a new slot and "
        "compares the table with the log");
  } else if (!slot.exists) {
    problems.push_back(
        "replication slot " + stream.slot +
        " is missing; its reader makes a new one and compares the table with the log");
  } else if (slot.lost) {
    problems.push_back("replication slot " + stream.slot + " was invalidated (" + slot.why_lost +
                       "); its reader makes a new one and compares the table with the log");
  }
  if (slot.retained < kMuchWal) return;
  problems.push_back(
      "the server keeps " + megabytes(slot.retained) + " of its log for slot " + stream.slot +
      (slot.active ? "" : ", which nobody reads: start pgtally run") +
      (slot.retain_limit == "-1"
           ? "; nothing limits that (max_slot_wal_keep_size)"
           : "; at " + slot.retain_limit + " (max_slot_wal_keep_size) the slot is invalidated"));
}

Result<void> check_table(const Stream& stream, const StreamSource& source,
                         const SourceDefinition& definition, pg::Connection& database,
                         std::vector<std::string>& problems) {
  TRY(const auto tables, published_tables(database, stream));
  const auto its = std::find_if(tables.begin(), tables.end(),
                                [&](const auto& table) { return table.oid == source.relation; });
  if (its == tables.end()) {
    problems.push_back(
        source.broken
            ? "its table is in no publication of the stream; its reader takes it back when what it "
              "fails from is gone"
            : "its table is another one than before, or is in no publication of the stream, so its "
              "changes do not come; its reader takes it back within some seconds and compares it");
  } else if (source.track_changes && !its->changes) {
    problems.push_back("its table is in the wrong publication for what is recorded of it");
  } else if (its->in_part) {
    problems.push_back(
        "its publication sends some of its columns, rows or changes only, so the rest is not "
        "recorded; "
        "its reader publishes it whole within some seconds and compares it with the log");
  }
  TRY(const ChangeTracking tracking, change_tracking(database, source.relation, definition));
  if (source.track_changes && !tracking.possible) {
    problems.push_back("updates and deletes fail or cannot be followed: " + tracking.obstacle +
                       ". Run: " + tracking.remedy);
  } else if (source.track_changes && !tracking.toasted.empty()) {
    problems.push_back(fmt::format(
        "an update that leaves a long value of {} alone does not bring it into the stream. Run: {}",
        fmt::join(tracking.toasted, ", "), tracking.remedy));
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> check_logical_source(const Ledger& ledger,
                                                      std::int32_t source_id) {
  std::vector<std::string> problems;
  TRY(const auto rows,
      ledger.query("SELECT stream_id FROM pgtally.stream_source WHERE source_id = $1",
                   pg::Params().int4(source_id)));
  if (rows.empty()) return problems;
  TRY(const auto stream_id, rows.get<std::int32_t>(0, 0));
  TRY(const auto stream, find_stream(ledger, stream_id));
  if (!stream) return problems;
  TRY(const auto sources, read_stream_sources(ledger, stream_id));
  const auto source = std::find_if(sources.begin(), sources.end(),
                                   [&](const StreamSource& s) { return s.id == source_id; });
  if (source == sources.end()) return problems;
  TRY(const auto definition, read_definition(ledger, source_id));
  auto database = open_source(stream->conninfo);
  if (!database.ok()) {
    problems.push_back(database.error().message);
    return problems;
  }
  TRY(const SlotState slot, read_slot(*database, stream->slot));
  TRY(const auto settings, database->query("SELECT current_setting('wal_level')"));
  TRY(const auto wal_level, settings.get<std::string>(0, 0));
  check_slot(*stream, slot, wal_level, problems);
  TRY_VOID(check_table(*stream, *source, definition, *database, problems));
  return problems;
}

}  // namespace pgtally
