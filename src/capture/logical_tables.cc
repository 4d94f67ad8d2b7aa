// LogicalReader: the tables that its sources follow. They may be dropped, made anew under their name, or
// taken out of their publication, and the stream does not say so.
//
// What is found wrong is acted upon when the stream has come to where the server was then: what was
// written to the table while it was in order is staged first.

#include <fmt/format.h>

#include <algorithm>

#include "capture/logical_fit.h"
#include "capture/logical_reader.h"
#include "ledger/catalog.h"
#include "ledger/notice.h"
#include "ledger/registry.h"

namespace pgtally {
namespace {

constexpr std::chrono::seconds kLookInterval{5};
// Longer than a server takes that is asked for a sign of life every ten seconds.
constexpr std::chrono::seconds kPatience{15};

constexpr const char* kMissed =
    ". Changes that were made meanwhile are not in the log one by one; the table is compared with "
    "it "
    "instead, where it has a key.";

}  // namespace

Result<std::string> LogicalReader::relation_of(const Ledger& ledger, const StreamSource& source) {
  auto& [number, relation] = relations_[source.id];
  if (relation.empty() || number != source.definition) {
    TRY(const SourceDefinition definition, read_definition(ledger, source.id, source.definition));
    number = source.definition;
    relation = definition.relation;
  }
  return relation;
}

Result<std::vector<LogicalReader::Suspect>> LogicalReader::find_suspects(const Ledger& ledger) {
  std::vector<const StreamSource*> looked_at;
  std::vector<std::string> names;
  std::vector<std::int64_t> known;
  for (const StreamSource& source : sources_) {
    if (source.broken || source.has_load()) continue;
    TRY(names.emplace_back(), relation_of(ledger, source));
    known.push_back(source.relation);
    looked_at.push_back(&source);
  }
  std::vector<Suspect> suspects;
  TRY(const auto tables, tables_to_follow(*database_, names, known));
  TRY(const auto published, published_tables(*database_, stream_));
  for (std::size_t i = 0; i < looked_at.size(); ++i) {
    const StreamSource& source = *looked_at[i];
    const std::string its = "table " + names[i] + " of source " + source.name;
    const bool is_published =
        std::any_of(published.begin(), published.end(), [&](const PublishedTable& p) {
          return p.oid == source.relation && (p.changes || !source.track_changes) && !p.in_part;
        });
    if (!tables[i]) {
      suspects.push_back({source.id, tables[i], its + " is gone"});
    } else if (*tables[i] != source.relation) {
      suspects.push_back({source.id, tables[i], its + " is another one than before"});
    } else if (!is_published) {
      suspects.push_back({source.id, tables[i], its + " was not published, or in part only"});
    }
  }
  return suspects;
}

// Whether the stream has come to where the server was when it was asked. A place in the midst of a record
// is never come to, so it is enough, too, that the server has nothing more to say.
bool LogicalReader::has_come_there() const {
  if (staged_ >= expected_->place) return true;
  const auto since = std::max(moved_at_, expected_->asked);
  return server_is_done_ && heard_at_ > since && Clock::now() - since >= kLookInterval;
}

Result<void> LogicalReader::look_around(const Ledger& ledger, ReaderStep& report) {
  const auto now = Clock::now();
  if (staged_ != was_staged_) {
    was_staged_ = staged_;
    moved_at_ = now;
  }
  if (expected_ && !expected_->suspects.empty()) {
    if (!has_come_there()) return {};
    TRY_VOID(tidy_tables(ledger, expected_->suspects, report));
    expected_.reset();
  } else if (now < next_look_) {
    return {};
  }
  next_look_ = now + kLookInterval;
  TRY(auto suspects, find_suspects(ledger));
  // Asked afterwards, so that whatever made them suspect lies before.
  TRY(const auto rows, database_->query("SELECT pg_current_wal_flush_lsn()"));
  TRY(const auto flushed, rows.get<std::uint64_t>(0, 0));
  expected_ = {{flushed}, Clock::now(), std::move(suspects)};
  return {};
}

bool LogicalReader::is_silent() const {
  return !waits_for_others_ && Clock::now() - heard_at_ >= kPatience;
}

// Whether a source can go on with its table as it is now; then the table is published.
Result<void> LogicalReader::admit(const Ledger& ledger, StreamSource& source) {
  TRY(const SourceDefinition definition, read_definition(ledger, source.id));
  TRY(const auto found, table_to_follow(*database_, definition.relation, source.relation));
  if (!found) return table_is_gone(definition.relation);
  for (const StreamSource& other : sources_) {
    if (*found == source.relation || other.relation != *found) continue;
    TRY(const std::string its_name, relation_of(ledger, other));
    if (its_name == definition.relation) continue;
    return reject(
        "table " + definition.relation + " is the one that source " + other.name + " follows",
        "It was given this name later. Remove this source, or give the table its own "
        "name back and make the one of this source again.");
  }
  TRY_VOID(follow(*database_, source, *found));
  TRY(const StreamedTable table, table_in_catalog(*database_, source.relation));
  TRY(const Fit fit,
      fit_definition(*database_, definition, {source.columns, source.attributes}, table));
  if (!has_position_key(fit.definition)) {
    TRY(const TableShape shape, describe_table(*database_, fit.definition.relation));
    TRY_VOID(check_key(shape, fit.definition.key));
  }
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
  const bool changes = std::any_of(sources_.begin(), sources_.end(), [&](const auto& other) {
    return other.relation == source.relation && other.track_changes;
  });
  return publish(*database_, stream_, source.relation, changes);
}

Result<void> LogicalReader::tidy_tables(const Ledger& ledger, const std::vector<Suspect>& before,
                                        ReaderStep& report) {
  TRY(const auto now, find_suspects(ledger));
  for (const Suspect& suspect : now) {
    // What came later is for the next look, and the place that belongs to it.
    if (std::find(before.begin(), before.end(), suspect) == before.end()) continue;
    StreamSource& source = *std::find_if(sources_.begin(), sources_.end(), [&](const auto& its) {
      return its.id == suspect.source_id;
    });
    const std::uint32_t relation = source.relation;
    const Result<void> admitted = admit(ledger, source);
    if (!admitted.ok() && !database_->is_alive()) return admitted;
    break_down(source);
    source.broken = !admitted.ok();
    // Whatever the stream brings of the table that it knew is good, so only the rest is compared.
    if (source.relation == relation) source.load = Load::kCompare;
    TRY_VOID(write_anew(ledger, source, suspect.why, admitted));
    report.remarks.push_back(suspect.why + (admitted.ok() ? "; it is compared with the log" : ""));
  }
  return unpublish_leftovers(ledger);
}

// Of a source that was removed, or was never added to the end; unless it is being added.
Result<void> LogicalReader::unpublish_leftovers(const Ledger& ledger) {
  TRY(const auto tables, published_tables(*database_, stream_));
  const auto is_left = [&](const PublishedTable& table) {
    return std::none_of(sources_.begin(), sources_.end(),
                        [&](const auto& source) { return source.relation == table.oid; });
  };
  if (std::none_of(tables.begin(), tables.end(), is_left)) return {};
  std::optional<LoadLock> lock;
  if (!lock_) {
    TRY(lock, LoadLock::try_take(ledger, stream_id_));
    if (!lock) return {};
    TRY_VOID(read_registry(ledger));
  }
  std::vector<std::uint32_t> wanted;
  for (const StreamSource& source : sources_) wanted.push_back(source.relation);
  return unpublish_others(*database_, stream_, wanted);
}

Result<void> LogicalReader::mend(const Ledger& ledger) {
  for (StreamSource& source : sources_) {
    if (source.state != "active" || !source.retry_is_due) continue;
    const Result<void> mended = admit(ledger, source);
    if (!mended.ok() && !database_->is_alive()) return mended;
    source.retry_is_due = false;
    break_down(source);
    source.broken = !mended.ok();
    // What it broke down of may be found by the load again, and again.
    const bool is_said = mended.ok() && !said_to_be_mended_.insert(source.id).second;
    TRY_VOID(write_anew(ledger, source,
                        is_said ? "" : "source " + source.name + " could not go on for a while",
                        mended));
  }
  return {};
}

// What the ledger has to know of a source that had some trouble, and why it goes on or does not.
Result<void> LogicalReader::write_anew(const Ledger& ledger, const StreamSource& source,
                                       const std::string& trouble, const Result<void>& admitted) {
  return in_transaction(ledger, [&]() -> Result<void> {
    if (admitted.ok() && !trouble.empty()) {
      TRY_VOID(record_notice(ledger, {"resynchronised", {source.name}, trouble + kMissed}));
    }
    TRY_VOID(write_stream_source(ledger, stream_id_, source));
    return admitted.ok() ? Result<void>() : note_breakdown(ledger, source, admitted.error());
  });
}

}  // namespace pgtally
