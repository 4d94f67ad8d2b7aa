#include "ledger/fast_road.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "format/blinding.h"
#include "ledger/entry_reader.h"
#include "pgtally/entry.h"
#include "postgres/copy.h"

namespace pgtally {
namespace {

// What open_batch() says, as it came.
struct Batch {
  std::uint64_t next_id = 0;
  Time sequenced_at;
  std::vector<std::int64_t> next_ordinals;
  std::string upto;
  std::optional<std::string> upto_self;
  std::vector<std::int64_t> settled;
  bool has_work = false;
};

// What a feed gave to the batch, as close_batch() wants it.
struct FeedRows {
  std::int64_t count = 0;
  std::string first_position;
  // Of its last row:
  std::optional<std::uint64_t> xid;
  std::optional<std::int64_t> staged_id;
  std::size_t place = 0;
  std::vector<std::string> key;
};

Result<Batch> open_batch(const Ledger& ledger) {
  TRY(const auto rows,
      ledger.query("SELECT next_id, sequenced_at, next_ordinals, upto::text, upto_self::text, "
                   "settled, has_work FROM pgtally.open_batch()"));
  Batch batch;
  TRY(const auto next_id, rows.get<std::int64_t>(0, 0));
  batch.next_id = static_cast<std::uint64_t>(next_id);
  TRY(batch.sequenced_at, rows.get<Time>(0, 1));
  TRY(batch.next_ordinals, rows.get<std::vector<std::int64_t>>(0, 2));
  TRY(batch.upto, rows.get<std::string>(0, 3));
  TRY(batch.upto_self, rows.get<std::optional<std::string>>(0, 4));
  TRY(batch.settled, rows.get<std::vector<std::int64_t>>(0, 5));
  TRY(batch.has_work, rows.get<bool>(0, 6));
  return batch;
}

// What numbering needs to know of a source.
struct SourceState {
  std::string name;
  std::optional<BlindingSecret> secret;
  std::uint64_t next_ordinal = 0;
};

Result<std::unordered_map<std::int32_t, SourceState>> read_sources(const Ledger& ledger,
                                                                   const Batch& batch) {
  TRY(const auto rows, ledger.query("SELECT source_id, name, secret FROM pgtally.source LEFT JOIN "
                                    "pgtally.secret USING (source_id)"));
  std::unordered_map<std::int32_t, SourceState> sources;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto id, rows.get<std::int32_t>(r, 0));
    SourceState& source = sources[id];
    TRY(source.name, rows.get<std::string>(r, 1));
    if (!rows.is_null(r, 2)) {
      TRY(const Hash secret, rows.get<Hash>(r, 2));
      source.secret = secret.bytes;
    }
    const auto place = static_cast<std::size_t>(id);
    if (place < batch.next_ordinals.size()) {
      source.next_ordinal = static_cast<std::uint64_t>(batch.next_ordinals[place]);
    }
  }
  return sources;
}

class Copier {
 public:
  Copier(const Batch& batch, Integrator& integrator,
         std::unordered_map<std::int32_t, SourceState> sources)
      : batch_(batch), integrator_(integrator), sources_(std::move(sources)) {}

  // Numbers row `r` of what pending() gave, hashes it, hands it to the tree and the COPY.
  [[nodiscard]] Result<void> take(const pg::Rows& rows, std::size_t r, pg::CopyIn& copy) {
    const LeafIndex id{batch_.next_id + r};
    TRY(const auto source_id, rows.get<std::int32_t>(r, 1));
    const auto it = sources_.find(source_id);
    if (it == sources_.end()) {
      return tampered("a row waits for source " + std::to_string(source_id) +
                      ", which is not there");
    }
    SourceState& source = it->second;
    EntryView entry;
    TRY(const auto definition, rows.get<std::int32_t>(r, 2));
    TRY(const auto operation, rows.get<std::int16_t>(r, 3));
    entry.definition = static_cast<std::uint32_t>(definition);
    entry.operation = static_cast<Operation>(operation);
    entry.ordinal = source.next_ordinal++;
    entry.sequenced_at = batch_.sequenced_at;
    entry.source = source.name;
    TRY(entry.key, rows.get<ByteView>(r, 4));
    TRY(entry.source_position, rows.get<std::string_view>(r, 5));
    TRY(entry.source_time, rows.get<Time>(r, 6));
    TRY(const Hash content, rows.get<Hash>(r, 7));
    const bool hidden = source.secret && content != Hash{};
    entry.content_hash = hidden ? blinded(salt_of(*source.secret, id), content) : content;
    TRY(const ByteView bytes, encode_into(entry, buffer_));
    integrator_.append(bytes);

    copy.index(id);
    copy.int4(source_id);
    copy.int4(definition);
    copy.int8(static_cast<std::int64_t>(entry.ordinal));
    copy.int2(operation);
    copy.bytea(entry.key);
    copy.text(entry.source_position);
    copy.time(entry.source_time);
    copy.hash(entry.content_hash);
    if (rows.is_null(r, 8)) {
      copy.null();
    } else {
      TRY(const auto data, rows.get<ByteView>(r, 8));
      copy.bytea(data);
    }
    copy.time(entry.sequenced_at);
    return copy.end_row();
  }

 private:
  const Batch& batch_;
  Integrator& integrator_;
  std::unordered_map<std::int32_t, SourceState> sources_;
  EntryBuffer buffer_;
};

// The last row is that in the order of the feed: rows of staging may stand in another one, by their
// sources' times.
Result<std::map<std::int32_t, FeedRows>> rows_by_feed(const pg::Rows& rows) {
  std::map<std::int32_t, FeedRows> feeds;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto id, rows.get<std::int32_t>(r, 0));
    TRY(const auto xid, rows.get<std::optional<std::uint64_t>>(r, 9));
    TRY(const auto staged_id, rows.get<std::optional<std::int64_t>>(r, 10));
    FeedRows& feed = feeds[id];
    if (feed.count++ == 0) {
      TRY(feed.first_position, rows.get<std::string>(r, 5));
    }
    if (std::tie(staged_id, xid) < std::tie(feed.staged_id, feed.xid)) continue;
    feed.xid = xid;
    feed.staged_id = staged_id;
    feed.place = r;
  }
  for (auto& [id, feed] : feeds) {
    if (feed.staged_id) {
      feed.key = {std::to_string(*feed.staged_id)};
    } else if (!rows.is_null(feed.place, 11)) {
      TRY(feed.key, rows.get<std::vector<std::string>>(feed.place, 11));
    } else {
      TRY(auto position, rows.get<std::string>(feed.place, 5));
      feed.key = {std::move(position)};
    }
  }
  return feeds;
}

// Whether some feed may have had more.
Result<bool> close_batch(const Ledger& ledger, const Batch& batch, std::int32_t max_rows,
                         const std::map<std::int32_t, FeedRows>& feeds) {
  std::int64_t taken = 0;
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> counts;
  std::vector<std::string> firsts;
  std::vector<std::string> xids;
  std::vector<std::string> keys;
  for (const auto& [id, feed] : feeds) {
    taken += feed.count;
    ids.push_back(id);
    counts.push_back(feed.count);
    firsts.push_back(feed.first_position);
    // Staging is taken by ids alone.
    xids.push_back(feed.xid && !feed.staged_id ? std::to_string(*feed.xid) : "0");
    std::string key = "{";
    for (const std::string& column : feed.key) {
      if (key.size() > 1) key += ',';
      key += '"';
      for (const char c : column) {
        if (c == '"' || c == '\\') key += '\\';
        key += c;
      }
      key += '"';
    }
    keys.push_back(key + "}");
  }
  TRY(const auto closed,
      ledger.query("SELECT pgtally.may_have_more($14::int8, $8::int4), "
                   "pgtally.close_batch(ROW($1::int8, $2::timestamptz, $3::int8[], "
                   "$4::text::pg_snapshot, $5::text::xid8, $6::int8[], $7::bool)::pgtally.batch, "
                   "$8::int4, $9::int8[]::int4[], $10::int8[], $11::text[], "
                   "$12::text[]::xid8[], $13::text[])",
                   pg::Params()
                       .index(LeafIndex{batch.next_id})
                       .time(batch.sequenced_at)
                       .int8_array(batch.next_ordinals)
                       .text(batch.upto)
                       .text_or_null(batch.upto_self)
                       .int8_array(batch.settled)
                       .boolean(batch.has_work)
                       .int4(max_rows)
                       .int8_array(ids)
                       .int8_array(counts)
                       .text_array(firsts)
                       .text_array(xids)
                       .text_array(keys)
                       .int8(taken)));
  return closed.get<bool>(0, 0);
}

}  // namespace

Result<Taken> take_fast_road(const Ledger& ledger, std::int32_t max_rows, Integrator& integrator,
                             StepObserver* observer) {
  TRY(const Batch batch, open_batch(ledger));
  TRY_VOID(integrator.catch_up(ledger, LeafIndex{batch.next_id}));
  TRY(const auto rows,
      ledger.query("SELECT feed, source_id, definition, operation, key, source_position, "
                   "source_time, content, data, xid, staged_id, cursor_key "
                   "FROM pgtally.pending($1::int4, $2::text::pg_snapshot, $3::text::xid8)",
                   pg::Params().int4(max_rows).text(batch.upto).text_or_null(batch.upto_self)));
  if (observer != nullptr) observer->reached(Step::kRowsRead);

  if (!rows.empty()) {
    TRY(auto sources, read_sources(ledger, batch));
    TRY(auto copy,
        pg::CopyIn::start(
            ledger.connection(),
            ledger.sql(
                "COPY pgtally.processed_log (id, source_id, definition, ordinal, operation, key, "
                "source_position, source_time, content_hash, data, sequenced_at) "
                "FROM STDIN (FORMAT binary)")));
    Copier copier(batch, integrator, std::move(sources));
    for (std::size_t r = 0; r < rows.size(); ++r) TRY_VOID(copier.take(rows, r, copy));
    TRY([[maybe_unused]] const auto copied, copy.finish());
    if (observer != nullptr) observer->reached(Step::kEntriesCopied);
  }
  Taken taken{rows.size(), false};
  if (!rows.empty() || batch.has_work) {
    TRY(const auto feeds, rows_by_feed(rows));
    TRY(taken.may_have_more, close_batch(ledger, batch, max_rows, feeds));
  }
  return taken;
}

}  // namespace pgtally
