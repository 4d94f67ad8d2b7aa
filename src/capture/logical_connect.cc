// LogicalReader: connecting to a slot that is as the ledger knows it, and what to do about one that
// is not.

#include <fmt/format.h>

#include <algorithm>

#include "capture/logical_reader.h"
#include "capture/remote_table.h"
#include "ledger/catalog.h"
#include "ledger/notice.h"
#include "ledger/other_database.h"
#include "ledger/registry.h"

namespace pgtally {
namespace {

// Why the slot cannot be gone on with; empty if it can.
std::string what_is_wrong(const Stream& stream, const SlotState& slot,
                          const std::optional<StreamProgress>& progress) {
  if (slot.system_identifier != stream.system_identifier) {
    return fmt::format("the database is in another cluster than replication slot {} was made in",
                       stream.slot);
  }
  if (!slot.exists) return fmt::format("replication slot {} is missing", stream.slot);
  if (!slot.is_here) {
    return fmt::format("replication slot {} is of another database, {}", stream.slot,
                       slot.database);
  }
  if (slot.lost) {
    return fmt::format("replication slot {} was invalidated ({})", stream.slot, slot.why_lost);
  }
  if (!progress) return fmt::format("the ledger has no progress of slot {}", stream.slot);
  if (slot.confirmed > progress->commit) {
    return fmt::format("replication slot {} was moved on to {}, and the ledger has come to {}",
                       stream.slot, pg::to_string(slot.confirmed), pg::to_string(progress->commit));
  }
  if (progress->commit > slot.server_position) {
    return fmt::format("the server's log ends at {}, before {}, which the ledger has read up to",
                       pg::to_string(slot.server_position), pg::to_string(progress->commit));
  }
  return {};
}

}  // namespace

Result<bool> LogicalReader::connect(const Ledger& ledger, ReaderStep& report) {
  disconnect();
  auto database = open_source(stream_.conninfo);
  if (!database.ok()) {
    Error error = std::move(database).error();
    return stream_.endpoint_id ? unreachable_source(std::move(error)) : error;
  }
  database_ = *std::move(database);
  // The slot first: whoever else reads it stores before he confirms.
  TRY(const SlotState slot, read_slot(*database_, stream_.slot));
  TRY(progress_, read_stream_progress(ledger, stream_id_));
  if (slot.active) {
    if (!progress_ || slot.confirmed <= progress_->commit) return false;
    return operator_error(
        "somebody else reads replication slot " + stream_.slot + ", and not for this ledger",
        "Find out who, in pg_stat_replication and pg_replication_slots, and stop it. What it has "
        "taken is then brought in by comparing the tables with the log.");
  }
  std::string wrong = what_is_wrong(stream_, slot, progress_);
  if (wrong.empty()) {
    TRY(const bool there, has_publications(*database_, stream_));
    // Decoding fails for all that was written while there was none.
    if (!there) wrong = "the publications of replication slot " + stream_.slot + " were dropped";
  }
  if (!wrong.empty()) TRY_VOID(resynchronise(ledger, wrong, report));
  TRY_VOID(unpublish_leftovers(ledger));
  next_look_ = {};
  heard_at_ = Clock::now();

  TRY(replication_, pg::Replication::open(stream_.conninfo));
  const pg::StreamRequest request{stream_.slot,
                                  progress_->commit,
                                  {stream_.publication, stream_.insert_publication},
                                  takes_transactions_in_progress_};
  if (auto started = replication_->start(request); !started.ok()) {
    const bool in_use = replication_->last_sqlstate() == "55006";
    replication_.reset();
    if (in_use) return false;
    return std::move(started).error();
  }
  changes_ = std::make_unique<ChangeStream>();
  staged_ = progress_->commit;
  staged_changes_ = progress_->changes;
  idle_stored_at_ = {};
  TRY(const std::string durable, make_durable(*database_));
  TRY(target_, pg::parse_lsn(durable));
  return true;
}

Result<void> LogicalReader::resynchronise(const Ledger& ledger, const std::string& why,
                                          ReaderStep& report) {
  TRY(lock_, LoadLock::try_take(ledger, stream_id_));
  if (!lock_) return retry(why + "; it is made anew as soon as a load that is under way ends");
  TRY_VOID(ensure_publications(*database_, stream_));

  // In another cluster tables have other numbers; what counts is the name.
  TRY(const SlotState before, read_slot(*database_, stream_.slot));
  const bool is_elsewhere = before.system_identifier != stream_.system_identifier;
  std::vector<std::pair<StreamSource, Error>> broken;
  std::vector<std::string> names;
  for (StreamSource& source : sources_) {
    names.push_back(source.name);
    const auto attempt = [&]() -> Result<void> {
      TRY(const SourceDefinition definition, read_definition(ledger, source.id));
      if (is_elsewhere) source.relation = 0;
      TRY(const auto table, table_to_follow(*database_, definition.relation, source.relation));
      if (!table) return table_is_gone(definition.relation);
      TRY_VOID(follow(*database_, source, *table));
      TRY_VOID(publish(*database_, stream_, source.relation, source.track_changes));
      source.load = has_position_key(definition) ? Load::kNone : Load::kResync;
      source.broken = false;
      return {};
    };
    const Result<void> found = attempt();
    if (found.ok()) continue;
    if (found.error().code == ErrorCode::kRetry) return found;
    break_down(source);
    broken.emplace_back(source, found.error());
  }
  TRY_VOID(drop_slot(*database_, stream_.slot, SlotOf::kCluster));
  TRY(auto creator, pg::Replication::open(stream_.conninfo));
  TRY(const pg::CreatedSlot slot,
      creator.create_slot({.name = stream_.slot, .snapshot = pg::SlotSnapshot::kExport}));
  TRY(snapshot_, LoadSnapshot::adopt(stream_.conninfo, slot));
  TRY(const SlotState state, read_slot(*database_, stream_.slot));

  const auto work = [&]() -> Result<void> {
    TRY_VOID(record_notice(
        ledger,
        {"resynchronised", names,
         why + ". Changes that were made meanwhile are not in the log one by one; the tables "
               "are compared with it instead, where they have a key."}));
    TRY([[maybe_unused]] const auto noted,
        ledger.query("UPDATE pgtally.stream SET system_identifier = $2 WHERE stream_id = $1",
                     pg::Params().int4(stream_id_).text(state.system_identifier)));
    for (StreamSource& source : sources_) {
      source.start = slot.consistent_point;
      source.cursor.clear();
      source.loaded = 0;
      source.barrier.reset();
      if (source.has_load()) source.barrier = slot.consistent_point;
      TRY_VOID(write_stream_source(ledger, stream_id_, source));
      TRY([[maybe_unused]] const auto cleared,
          ledger.query("DELETE FROM pgtally.stream_seen WHERE source_id = $1",
                       pg::Params().int4(source.id)));
    }
    for (const auto& [source, error] : broken) {
      TRY_VOID(note_breakdown(ledger, source, error));
    }
    TRY(progress_, advance(ledger, stream_id_, progress_.value_or(StreamProgress{}),
                           slot.consistent_point, 0));
    return {};
  };
  TRY_VOID(in_transaction(ledger, work));
  stream_.system_identifier = state.system_identifier;
  report.remarks.push_back(why + "; it was made anew, and its tables are compared with the log");
  return {};
}

Result<void> LogicalReader::retire(const Ledger& ledger) {
  disconnect();
  TRY(const auto lock, LoadLock::try_take(ledger, stream_id_));
  if (!lock) return {};
  TRY_VOID(read_registry(ledger));
  if (!sources_.empty()) return {};
  return retire_stream(ledger, stream_);
}

}  // namespace pgtally
