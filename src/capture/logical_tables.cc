// LogicalReader: the tables that its sources follow. They may be dropped, made anew under their name, or
// taken out of their publication, and the stream does not say so.

#include <fmt/format.h>

#include <algorithm>

#include "capture/logical_fit.h"
#include "capture/logical_reader.h"
#include "ledger/notice.h"
#include "ledger/registry.h"

namespace pgtally {
namespace {

constexpr std::chrono::seconds kLookInterval{5};
// A server that is there answers at once, also if it has nothing to send.
constexpr std::chrono::seconds kPatience{10};

Time wall_clock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::microseconds>(now).count()};
}

}  // namespace

// What is wrong with the table of a source that goes on; empty if nothing is.
Result<std::string> LogicalReader::trouble_of(const Ledger& ledger, const StreamSource& source,
                                              const std::vector<PublishedTable>& published) {
  TRY(const SourceDefinition definition, read_definition(ledger, source.id));
  TRY(const auto table, table_to_follow(*database_, definition.relation, source.relation));
  const std::string its = "table " + definition.relation + " of source " + source.name;
  if (!table) return its + " is gone";
  if (*table != source.relation) return its + " was made anew";
  const bool is_published =
      std::any_of(published.begin(), published.end(), [&](const PublishedTable& p) {
        return p.oid == source.relation && p.changes == source.track_changes;
      });
  return is_published ? "" : its + " was not published any more";
}

Result<void> LogicalReader::look_around(const Ledger& ledger, ReaderStep& report) {
  const auto now = Clock::now();
  if (now < next_look_ || (expected_ && staged_ < expected_->place)) return {};
  // What was written to the tables while they were in order is staged by now.
  if (expected_ && expected_->tables_are_wrong) TRY_VOID(tidy_tables(ledger, report));

  const bool has_just_connected = !expected_;
  const auto has_load = [](const StreamSource& source) { return source.has_load(); };
  bool wrong = has_just_connected;
  if (!wrong && std::none_of(sources_.begin(), sources_.end(), has_load)) {
    TRY(const auto published, published_tables(*database_, stream_));
    for (const StreamSource& source : sources_) {
      if (source.broken) continue;
      TRY(const std::string trouble, trouble_of(ledger, source, published));
      wrong = wrong || !trouble.empty();
    }
  }
  TRY(const auto rows, database_->query("SELECT pg_current_wal_flush_lsn()"));
  TRY(const auto flushed, rows.get<std::uint64_t>(0, 0));
  expected_ = {{flushed}, now, wall_clock(), wrong};
  if (!wrong) next_look_ = now + kLookInterval;
  return {};
}

std::optional<Time> LogicalReader::silent_since() const {
  if (!expected_ || staged_ >= expected_->place) return {};
  if (Clock::now() - expected_->asked < kPatience) return {};
  return expected_->asked_at;
}

// Whether a source can go on with its table as it is now; then the table is published.
Result<void> LogicalReader::admit(const Ledger& ledger, StreamSource& source) {
  TRY(const SourceDefinition definition, read_definition(ledger, source.id));
  TRY(const auto found, table_to_follow(*database_, definition.relation, source.relation));
  if (!found) return table_is_gone(definition.relation);
  TRY_VOID(follow(*database_, source, *found));
  TRY(const StreamedTable table, table_in_catalog(*database_, source.relation));
  TRY(const Fit fit,
      fit_definition(*database_, definition, {source.columns, source.attributes}, table));
  if (source.track_changes) {
    TRY(const ChangeTracking tracking,
        change_tracking(*database_, source.relation, fit.definition));
    if (!tracking.possible) {
      return reject("updates and deletes cannot be followed: " + tracking.obstacle,
                    "Run: " + tracking.remedy);
    }
    if (!tracking.toasted.empty()) {
      return reject(fmt::format("an update that leaves a long value of {} alone does not bring it "
                                "into the stream",
                                fmt::join(tracking.toasted, ", ")),
                    "Run: " + tracking.remedy);
    }
  }
  return publish(*database_, stream_, source.relation, source.track_changes);
}

Result<void> LogicalReader::tidy_tables(const Ledger& ledger, ReaderStep& report) {
  TRY(const auto tables, published_tables(*database_, stream_));
  std::vector<std::uint32_t> wanted;
  for (StreamSource& source : sources_) {
    wanted.push_back(source.relation);
    if (source.broken) continue;
    TRY(const std::string trouble, trouble_of(ledger, source, tables));
    if (trouble.empty()) continue;
    const std::uint32_t before = source.relation;
    const Result<void> admitted = admit(ledger, source);
    if (!admitted.ok() && !database_->is_alive()) return admitted;
    wanted.back() = source.relation;
    break_down(source);
    source.broken = !admitted.ok();
    // Whatever the stream brings of the table that it knew is good, so only the rest is compared.
    if (source.relation == before) source.load = Load::kCompare;
    TRY_VOID(write_anew(ledger, source, trouble, admitted));
    report.remarks.push_back(trouble + (admitted.ok() ? "; it is compared with the log" : ""));
  }
  const bool has_others = std::any_of(tables.begin(), tables.end(), [&](const auto& table) {
    return std::find(wanted.begin(), wanted.end(), table.oid) == wanted.end();
  });
  if (!has_others) return {};
  // Left by a source that was removed, or was never added to the end; unless it is being added.
  TRY(const auto lock, LoadLock::try_take(ledger, stream_id_));
  if (!lock) return {};
  TRY_VOID(read_registry(ledger));
  wanted.clear();
  for (const StreamSource& source : sources_) wanted.push_back(source.relation);
  return unpublish_others(*database_, stream_, wanted);
}

Result<void> LogicalReader::mend(const Ledger& ledger) {
  for (StreamSource& source : sources_) {
    if (source.state != "active" || !source.retry_is_due) continue;
    const std::uint32_t before = source.relation;
    const Result<void> mended = admit(ledger, source);
    if (!mended.ok() && !database_->is_alive()) return mended;
    source.retry_is_due = false;
    break_down(source);
    source.broken = !mended.ok();
    const std::string trouble =
        source.relation == before ? "" : "the table of source " + source.name + " was made anew";
    TRY_VOID(write_anew(ledger, source, trouble, mended));
  }
  return {};
}

// What the ledger has to know of a source whose table had some trouble, and why it goes on or does not.
Result<void> LogicalReader::write_anew(const Ledger& ledger, const StreamSource& source,
                                       const std::string& trouble, const Result<void>& admitted) {
  return in_transaction(ledger, [&]() -> Result<void> {
    if (admitted.ok() && !trouble.empty()) {
      TRY_VOID(record_notice(
          ledger,
          {"resynchronised",
           {source.name},
           trouble + ". Changes that were made meanwhile are not in the log one by one; the "
                     "table is compared with it instead, where it has a key."}));
    }
    TRY_VOID(write_stream_source(ledger, stream_id_, source));
    return admitted.ok() ? Result<void>() : note_breakdown(ledger, source, admitted.error());
  });
}

}  // namespace pgtally
