#include "audit/bundle_places.h"

#include <fmt/format.h>

#include <algorithm>

#include "capture/remote_table.h"
#include "format/times.h"
#include "ledger/catalog.h"
#include "ledger/position_key.h"
#include "pgtally/key.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

constexpr std::size_t kKeysInQuery = 1000;

// Of the transaction that wrote a row version, with the epoch that its 32 bits do not say. What is
// frozen may be older than this has it, never newer.
constexpr const char* kFullXmin = R"sql(
  (SELECT CASE WHEN x.low < 3 THEN 0
               WHEN x.low <= (x.next & 4294967295) THEN (x.next >> 32 << 32) + x.low
               ELSE ((x.next >> 32) - 1 << 32) + x.low END
     FROM (SELECT t.xmin::text::bigint AS low,
                  pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next) AS x))sql";

// What keeps one statement's error from ending the snapshot.
constexpr const char* kSavepoint = "SAVEPOINT bundle_source";
constexpr const char* kBack = "ROLLBACK TO bundle_source";

// Rows whose key is among those given as arrays of output texts, one for each column of the key.
Result<std::string> query_of(const SourceDefinition& definition, const TableShape& table) {
  std::vector<std::string> columns;
  std::vector<std::string> casts;
  std::vector<std::string> texts;
  std::vector<std::string> arrays;
  std::vector<std::string> names;
  for (const std::string& name : definition.key) {
    const TableColumn* column = table.column(name);
    if (column == nullptr) return reject("the table has no column " + name + " any more");
    TRY(const auto quoted, pg::quote_identifier(name));
    const std::size_t n = columns.size() + 1;
    columns.push_back("t." + quoted);
    texts.push_back(fmt::format("format('%s', t.{})", quoted));
    casts.push_back(fmt::format("CAST(k{} AS {})", n, column->cast_type));
    arrays.push_back(fmt::format("${}::text[]", n));
    names.push_back(fmt::format("k{}", n));
  }
  return fmt::format(
      "SELECT {}, {} FROM {} AS t WHERE ({}) IN (SELECT {} FROM unnest({}) AS k({}))", kFullXmin,
      fmt::join(texts, ", "), table.qualified, fmt::join(columns, ", "), fmt::join(casts, ", "),
      fmt::join(arrays, ", "), fmt::join(names, ", "));
}

}  // namespace

Result<std::unique_ptr<BundlePlaces>> BundlePlaces::open(const BundleLog& log,
                                                         pg::Connection& connection,
                                                         SideSessions& sides,
                                                         std::vector<std::string> named,
                                                         bool as_of_bundle) {
  std::unique_ptr<BundlePlaces> places(new BundlePlaces(log, connection, sides));
  places->named_ = std::move(named);
  places->as_of_bundle_ = as_of_bundle;
  TRY(const auto database, connection.query("SELECT current_database()::text"));
  TRY(places->database_, database.get<std::string>(0, 0));
  TRY_VOID(connection.execute(kSavepoint));
  const auto rows = connection.query(std::string("SELECT ") + kServerHistory);
  if (rows.ok()) {
    TRY(places->server_, rows->get<std::string>(0, 0));
  } else {
    TRY_VOID(connection.execute(kBack));
  }
  return places;
}

std::uint64_t BundlePlaces::entries_of(std::string_view source) {
  return log_->entries_of(source);
}

Result<void> BundlePlaces::read_staged(const TakeStaged&) {
  return {};
}

bool BundlePlaces::is_named(const std::string& source) const {
  return std::ranges::find(named_, source) != named_.end();
}

// Whether this is another database than that of the source, by the names that the bundle has for
// places; then why. A table of the same name may well be here.
std::string BundlePlaces::is_elsewhere(const std::string& source) const {
  const BundleSource* said = log_->source(source);
  if (said == nullptr) return {};
  const auto is_this = [&](const std::string& place) {
    return place.substr(place.rfind('/') + 1) == database_;
  };
  if (!said->place.empty()) {
    return is_this(said->place) ? std::string() : "it is in another database, at " + said->place;
  }
  for (const BundleSource& other : log_->sources()) {
    if (other.place.empty() || !is_this(other.place)) continue;
    return "this seems to be the database of source " + other.name +
           ", and not the ledger's own; name the sources that are here";
  }
  return {};
}

// Why its table cannot be read here; empty if it can.
Result<std::string> BundlePlaces::why_not(const LoggedSource& source) const {
  const std::string& relation = source.definitions.rbegin()->second.relation;
  if (std::string elsewhere = is_elsewhere(source.name); !elsewhere.empty()) return elsewhere;
  TRY_VOID(db_->execute(kSavepoint));
  const auto table = describe_table(*db_, relation);
  if (!table.ok()) {
    if (db_->last_sqlstate().empty() && table.error().code != ErrorCode::kReject) {
      return table.error();
    }
    TRY_VOID(db_->execute(kBack));
    return table.error().code == ErrorCode::kReject
               ? "table " + relation + " is not in this database"
               : table.error().message;
  }
  TRY(const auto may, db_->query("SELECT has_table_privilege($1::int8::oid, 'SELECT') OR "
                                 "has_any_column_privilege($1::int8::oid, 'SELECT')",
                                 pg::Params().int8(table->oid)));
  TRY(const bool may_read, may.get<bool>(0, 0));
  return may_read ? std::string() : "table " + relation + " may not be read";
}

std::optional<std::uint64_t> BundlePlaces::complete_below(const std::string& source) const {
  const BundleSource* said = log_->source(source);
  if (said == nullptr || server_.empty() || said->server != server_) return {};
  return said->complete_below;
}

Result<RowPlace> BundlePlaces::open(const LoggedSource& source) {
  RowPlace place;
  const SourceDefinition& newest = source.definitions.rbegin()->second;
  place.mode = newest.mode;
  const BundleSource* said = log_->source(source.name);
  if (said != nullptr) place.place = said->place;
  if (!is_named(source.name)) {
    TRY(place.why_not, why_not(source));
    if (!place.why_not.empty()) return place;
  }
  place.connection = db_;
  place.sides = sides_;
  if (said != nullptr && said->skips_existing) {
    place.unrecorded_because =
        "rows that were there when the source was added were left out, and cannot be told from "
        "others";
  }
  if (as_of_bundle_) return place;
  const std::string newer = "it may be newer than the bundle, which was made at " +
                            time_for_people(log_->about().made_at) + "; a newer bundle decides";
  // A stream brings truncates, too, where it brings no updates.
  const bool tracks_changes = newest.mode == "logical" ||
                              (said != nullptr ? said->tracks_changes : newest.mode == "trigger");
  place.tracks_changes = tracks_changes;
  if (tracks_changes) place.changed_because = newer;
  if (!place.unrecorded_because.empty()) return place;
  place.look_again = complete_below(source.name).has_value() && !has_position_key(newest);
  if (!place.look_again) place.unrecorded_because = newer;
  newer_ = newer;
  return place;
}

Result<Later> BundlePlaces::look_again(const LoggedSource& source, const KeyHasher& hasher,
                                       std::span<const Unrecorded> unrecorded) {
  Later later;
  later.asked_alone = true;
  later.waiting_because = newer_;
  for (const Unrecorded& row : unrecorded) later.waiting.insert(row.hash);
  const auto below = complete_below(source.name);
  if (!below) return later;
  for (std::size_t at = 0; at < unrecorded.size(); at += kKeysInQuery) {
    TRY_VOID(find_older(source, *below, hasher,
                        unrecorded.subspan(at, std::min(kKeysInQuery, unrecorded.size() - at)),
                        later));
  }
  return later;
}

// Takes those out of `waiting` that were written before the bundle was complete.
Result<void> BundlePlaces::find_older(const LoggedSource& source, std::uint64_t below,
                                      const KeyHasher& hasher, std::span<const Unrecorded> asked,
                                      Later& later) const {
  const SourceDefinition& newest = source.definitions.rbegin()->second;
  std::vector<std::vector<std::string>> columns(newest.key.size());
  for (const Unrecorded& row : asked) {
    const auto key = decode_key(row.key);
    if (!key.ok() || key->columns.size() != columns.size()) continue;  // only its hash is known
    for (std::size_t c = 0; c < columns.size(); ++c) columns[c].push_back(key->columns[c]);
  }
  TRY_VOID(db_->execute(kSavepoint));
  TRY(const TableShape table, describe_table(*db_, newest.relation));
  TRY(const std::string sql, query_of(newest, table));
  pg::Params params;
  for (const auto& column : columns) params.text_array(column);
  const auto rows = db_->query(sql, params);
  // A table that has no xmin: then nothing is known of its rows.
  if (!rows.ok()) return db_->execute(kBack);
  for (std::size_t r = 0; r < rows->size(); ++r) {
    TRY(const auto xmin, rows->get<std::int64_t>(r, 0));
    if (static_cast<std::uint64_t>(xmin) >= below) continue;
    std::vector<std::string> key;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      TRY(key.emplace_back(), rows->get<std::string>(r, c + 1));
    }
    TRY(const Bytes encoded, encode_key(key));
    later.waiting.erase(hasher(encoded));
  }
  return {};
}

Result<RowPlaces::Appended> BundlePlaces::read_appended(const LoggedSource&, const TakeAppended&,
                                                        const TakeKept&) {
  Appended appended;
  appended.why_not = "what was appended is in the ledger itself, of which nothing is seen here";
  return appended;
}

}  // namespace pgtally
