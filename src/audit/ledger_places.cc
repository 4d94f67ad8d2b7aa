#include "audit/ledger_places.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/times.h"
#include "ledger/other_database.h"
#include "ledger/position_key.h"
#include "postgres/copy.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

constexpr const char* kRegistry = R"sql(
  SELECT s.source_id, s.name, s.mode, s.state, s.has_feed, s.sweeps_only, s.track_changes,
         s.existing = 'skip', s.endpoint_id IS NOT NULL, coalesce(e.place, ''),
         coalesce(f.message, ''), f.since,
         (SELECT count(*) FROM pgtally.missed AS m WHERE m.source_id = s.source_id),
         EXISTS (SELECT FROM pgtally.sweep AS w
                  WHERE w.source_id = s.source_id AND w.finished_at IS NULL),
         greatest((SELECT w.started_at FROM pgtally.sweep AS w
                    WHERE w.source_id = s.source_id AND w.finished_at IS NOT NULL
                    ORDER BY w.sweep_id DESC LIMIT 1),
                  CASE WHEN s.mode = 'poll' AND NOT s.sweeps_only THEN s.created_at END),
         coalesce(k.baseline::text, ''), coalesce(k.baseline_self::text, ''), k.high,
         coalesce(l.stream_id, 0), coalesce(l.load, ''), coalesce(l.broken, false),
         coalesce((SELECT h.next_ordinals[s.source_id + 1] FROM pgtally.log_head AS h
                    ORDER BY h.head_id DESC LIMIT 1), 0), s.keep_data
    FROM pgtally.source AS s
    LEFT JOIN pgtally.endpoint AS e USING (endpoint_id)
    LEFT JOIN pgtally.failure AS f USING (source_id)
    LEFT JOIN pgtally.skipped AS k USING (source_id)
    LEFT JOIN pgtally.stream_source AS l USING (source_id)
   WHERE s.source_id > 0)sql";

// For people: the same wherever an audit says since when.
std::string since(Time time) {
  return " since " + time_for_people(time);
}

}  // namespace

Result<std::unique_ptr<LedgerPlaces>> LedgerPlaces::open(const Ledger& ledger, TreeSize size,
                                                         std::chrono::milliseconds wait,
                                                         SideSessions* sides) {
  std::unique_ptr<LedgerPlaces> places(new LedgerPlaces(ledger, size, wait, sides));
  auto loaded = places->load();
  if (!loaded.ok() && ledger.connection().last_sqlstate() == "42501") {
    return operator_error(
        "an audit needs the rights of the ledger's owner: " + loaded.error().message,
        "Run it as the owner of schema " + ledger.schema() +
            "; or have the owner make a bundle, pgtally bundle, and audit that.");
  }
  TRY_VOID(std::move(loaded));
  return places;
}

Result<void> LedgerPlaces::load() {
  TRY(const auto home, ledger_->query("SELECT pgtally.is_at_home()"));
  TRY(at_home_, home.get<bool>(0, 0));
  TRY(const auto rows, ledger_->query(kRegistry));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto name, rows.get<std::string>(r, 1));
    Source& s = sources_[name];
    TRY(s.id, rows.get<std::int32_t>(r, 0));
    TRY(s.mode, rows.get<std::string>(r, 2));
    TRY(s.state, rows.get<std::string>(r, 3));
    TRY(s.has_feed, rows.get<bool>(r, 4));
    TRY(s.sweeps_only, rows.get<bool>(r, 5));
    TRY(s.tracks_changes, rows.get<bool>(r, 6));
    TRY(s.skips_existing, rows.get<bool>(r, 7));
    TRY(s.is_remote, rows.get<bool>(r, 8));
    TRY(s.place, rows.get<std::string>(r, 9));
    TRY(s.failure, rows.get<std::string>(r, 10));
    TRY(s.failing_since, rows.get<Time>(r, 11));
    TRY(const auto missed, rows.get<std::int64_t>(r, 12));
    s.missed = static_cast<std::uint64_t>(missed);
    TRY(s.sweeping, rows.get<bool>(r, 13));
    TRY(s.swept, rows.get<Time>(r, 14));
    s.swept_once = s.swept != Time{};
    TRY(s.skipped_baseline, rows.get<std::string>(r, 15));
    TRY(s.skipped_self, rows.get<std::string>(r, 16));
    TRY(s.skipped_high, rows.get<std::optional<std::int64_t>>(r, 17));
    TRY(s.stream, rows.get<std::int32_t>(r, 18));
    TRY(s.load, rows.get<std::string>(r, 19));
    TRY(s.broken, rows.get<bool>(r, 20));
    TRY(const auto entries, rows.get<std::int64_t>(r, 21));
    s.entries = static_cast<std::uint64_t>(entries);
    TRY(s.keeps_data, rows.get<bool>(r, 22));
  }
  return {};
}

std::uint64_t LedgerPlaces::entries_of(std::string_view source) {
  const auto found = sources_.find(source);
  return found == sources_.end() ? 0 : found->second.entries;
}

Result<void> LedgerPlaces::read_staged(const TakeStaged& take) {
  std::map<std::int32_t, std::string> names;
  for (const auto& [name, source] : sources_) names[source.id] = name;
  TRY(const StagedReader reader, StagedReader::open(*ledger_, std::move(names)));
  TRY_VOID(reader.read_staging(take));
  for (const auto& [name, source] : sources_) {
    const bool is_fed =
        source.state == "active" && source.has_feed && !source.is_remote && source.failure.empty();
    if (!is_fed) continue;
    auto done = reader.read_feed(source.id, source.mode == "xid", take);
    if (!done.ok()) unreadable_[name] = done.error().message;
  }
  return {};
}

// Whatever keeps the capture from being complete keeps the audit from accusing.
void LedgerPlaces::excuse(const Source& s, RowPlace& place) {
  std::string unrecorded;
  std::string changed;
  const auto both = [&](const std::string& why) {
    if (unrecorded.empty()) unrecorded = why;
    if (changed.empty() && s.tracks_changes) changed = why;
  };
  if (s.state == "paused") both("the source is paused");
  if (!s.failure.empty()) both("it fails" + since(s.failing_since) + ": " + s.failure);
  if (s.missed > 0) {
    both(
        fmt::format("its triggers could not record rows of {} transactions, which the next sweep "
                    "looks for",
                    s.missed));
  }
  if (s.broken) both("changes could not be taken, and its table has to be compared with the log");
  if (!s.load.empty()) both("its rows are being brought into the log");
  const bool is_swept = s.mode == "xid" || s.mode == "trigger" || s.sweeps_only;
  if (unrecorded.empty() && s.skips_existing && (s.mode == "trigger" || s.mode == "logical")) {
    unrecorded =
        "rows that were there when it was added were left out, and cannot be told from others";
  } else if (unrecorded.empty() && is_swept && !s.swept_once) {
    unrecorded = "its first rows are still being brought into the log";
  } else if (unrecorded.empty() && s.mode == "trigger" && s.sweeping) {
    unrecorded = "a sweep is under way, for what its triggers may have missed";
  }
  place.unrecorded_because = unrecorded;
  place.changed_because = changed;
}

Result<RowPlace> LedgerPlaces::open(const LoggedSource& logged) {
  RowPlace place;
  elsewhere_.reset();
  const auto found = sources_.find(logged.name);
  if (found == sources_.end()) {
    place.why_not = "it is not in the registry";
    return place;
  }
  const Source& s = found->second;
  place.mode = s.mode;
  place.place = s.place;
  if (s.state == "removed") {
    place.why_not = "it was removed";
    return place;
  }
  excuse(s, place);
  const auto unreadable = unreadable_.find(logged.name);
  if (unreadable != unreadable_.end() && place.unrecorded_because.empty()) {
    place.unrecorded_because = "its next rows cannot be read: " + unreadable->second;
  }
  if (!at_home_) {
    place.unrecorded_because = place.changed_because =
        "the ledger is in another cluster than before, and has to find its place there first";
  }
  place.tracks_changes = s.tracks_changes;
  place.has_xid = s.mode == "xid" && s.is_remote;
  // In mode poll also keys that are used long after they were handed out. What was there when the
  // source was added, its feed has taken.
  place.sweeps_only = s.sweeps_only || s.mode == "poll";
  place.swept = s.swept;
  place.look_again = s.is_remote || s.mode == "logical";
  if (!s.skipped_baseline.empty()) {
    TRY(const auto baseline, pg::quote_literal(s.skipped_baseline));
    place.skipped =
        fmt::format("t.xid IS NULL OR pg_visible_in_snapshot(t.xid, {}::pg_snapshot)", baseline);
    if (!s.skipped_self.empty()) {
      place.skipped += fmt::format(" AND t.xid <> '{}'::xid8", s.skipped_self);
    }
  } else if (s.skipped_high && !logged.definitions.empty()) {
    TRY(const auto key, pg::quote_identifier(logged.definitions.rbegin()->second.key.at(0)));
    place.skipped = fmt::format("t.{} <= {}", key, *s.skipped_high);
  }
  TRY_VOID(connect(s, place));
  if (place.connection != nullptr && s.mode == "logical") {
    TRY_VOID(renamed_since(s, logged, place));
  }
  return place;
}

Result<void> LedgerPlaces::connect(const Source& source, RowPlace& place) {
  place.connection = &ledger_->connection();
  place.sides = sides_;
  if (source.is_remote) {
    auto other = open_database_of(*ledger_, source.id);
    if (!other.ok() || !*other) {
      place.connection = nullptr;
      place.cannot_be_read = true;
      place.why_not = other.ok() ? "its database is not in the registry"
                                 : "its database cannot be reached: " + other.error().message;
      return {};
    }
    sides_elsewhere_ = SideSessions();
    elsewhere_ = std::move((*other)->connection);
    TRY(sides_elsewhere_, SideSessions::begin(*elsewhere_));
    place.connection = elsewhere_.get();
    place.sides = &sides_elsewhere_;
  }
  if (source.mode != "logical") return {};
  // Later than the snapshot: whatever that shows was committed before this position.
  TRY(const auto rows,
      place.connection->query("SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() "
                              "ELSE pg_current_wal_insert_lsn() END::text"));
  TRY(read_at_, rows.get<std::string>(0, 0));
  return {};
}

// A stream learns of a renaming by the first change after it; the numbers of columns stay.
Result<void> LedgerPlaces::renamed_since(const Source& source, const LoggedSource& logged,
                                         RowPlace& place) const {
  if (logged.definitions.empty()) return {};
  TRY(const auto known,
      ledger_->query("SELECT relation::int8, columns, attributes FROM pgtally.stream_source WHERE "
                     "source_id = $1",
                     pg::Params().int4(source.id)));
  if (known.empty()) return {};
  TRY(const auto relation, known.get<std::int64_t>(0, 0));
  TRY(const auto names, known.get<std::vector<std::string>>(0, 1));
  TRY(const auto numbers, known.get<std::vector<std::int64_t>>(0, 2));
  TRY(const auto now, place.connection->query(R"sql(
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname),
           ARRAY(SELECT coalesce((SELECT a.attname::text FROM pg_attribute AS a
                                   WHERE a.attrelid = c.oid AND a.attnum = k.number
                                     AND NOT a.attisdropped), '')
                   FROM unnest($2) WITH ORDINALITY AS k(number, place) ORDER BY k.place)
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.oid = $1::oid)sql",
                                              pg::Params().int8(relation).int8_array(numbers)));
  if (now.empty()) return {};
  TRY(place.relation, now.get<std::string>(0, 0));
  TRY(const auto names_now, now.get<std::vector<std::string>>(0, 1));
  for (std::size_t i = 0; i < std::min(names.size(), names_now.size()); ++i) {
    if (!names_now[i].empty() && names_now[i] != names[i])
      place.renamed_since[names[i]] = names_now[i];
  }
  return {};
}

Result<RowPlaces::Appended> LedgerPlaces::read_appended(const LoggedSource& logged,
                                                        const TakeAppended& take,
                                                        const TakeKept& take_kept) {
  const auto found = sources_.find(logged.name);
  if (found == sources_.end()) return reject("source " + logged.name + " is not in the registry");
  const std::int32_t id = found->second.id;
  TRY(const auto pruned, ledger_->query("SELECT NOT EXISTS (SELECT FROM pgtally.pruning)"));
  Appended appended;
  TRY(appended.all, pruned.get<bool>(0, 0));
  {
    TRY(auto copy,
        pg::CopyOut::start(
            ledger_->connection(),
            ledger_->sql(fmt::format(
                "COPY (SELECT pgtally.staged_key(l.operation, l.key, l.id), "
                "pgtally.staged_content(l.content_hash, l.data) FROM pgtally.append_only_log AS l "
                "WHERE l.source_id = {}) TO STDOUT (FORMAT binary)",
                id))));
    while (true) {
      TRY(const bool more, copy.next());
      if (!more) break;
      TRY(const auto key, copy.get<ByteView>(0));
      TRY(const auto content, copy.get<Hash>(1));
      TRY_VOID(take(key, content));
    }
  }
  if (!found->second.keeps_data) return appended;
  TRY(auto copy, pg::CopyOut::start(ledger_->connection(),
                                    ledger_->sql(fmt::format(
                                        "COPY (SELECT p.id, p.content_hash, sha256(p.data) FROM "
                                        "pgtally.processed_log AS p WHERE "
                                        "p.source_id = {} AND p.operation <= 3 AND p.data IS NOT "
                                        "NULL ORDER BY p.id) TO STDOUT "
                                        "(FORMAT binary)",
                                        id))));
  while (true) {
    TRY(const bool more, copy.next());
    if (!more) break;
    TRY(const auto entry, copy.get<std::int64_t>(0));
    TRY(const auto published, copy.get<Hash>(1));
    TRY(const auto content, copy.get<Hash>(2));
    TRY_VOID(take_kept(LeafIndex{static_cast<std::uint64_t>(entry)}, published, content));
  }
  return appended;
}

}  // namespace pgtally
