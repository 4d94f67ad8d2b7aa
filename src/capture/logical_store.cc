#include "capture/logical_store.h"

#include <array>
#include <utility>

#include "base/encoding.h"
#include "crypto/sha256.h"
#include "postgres/further_session.h"

namespace pgtally {
namespace {

constexpr std::array<std::pair<Load, std::string_view>, 4> kLoads{{{Load::kCopy, "copy"},
                                                                   {Load::kContinue, "continue"},
                                                                   {Load::kCompare, "compare"},
                                                                   {Load::kResync, "resync"}}};

Load load_of(const std::optional<std::string>& name) {
  for (const auto& [load, its_name] : kLoads) {
    if (name == its_name) return load;
  }
  return Load::kNone;
}

constexpr const char* kStreams =
    "SELECT s.stream_id, s.endpoint_id, e.conninfo, s.slot::text, s.publication::text, "
    "s.insert_publication::text, s.system_identifier FROM pgtally.stream AS s "
    "LEFT JOIN pgtally.endpoint AS e USING (endpoint_id) ";

Result<Stream> stream_at(const Ledger& ledger, const pg::Rows& rows, std::size_t r) {
  Stream stream;
  TRY(stream.id, rows.get<std::int32_t>(r, 0));
  TRY(stream.endpoint_id, rows.get<std::optional<std::int32_t>>(r, 1));
  TRY(const auto conninfo, rows.get<std::optional<std::string>>(r, 2));
  stream.conninfo = conninfo ? *conninfo : pg::conninfo_of(ledger.connection());
  TRY(stream.slot, rows.get<std::string>(r, 3));
  TRY(stream.publication, rows.get<std::string>(r, 4));
  TRY(stream.insert_publication, rows.get<std::string>(r, 5));
  TRY(const auto system, rows.get<std::optional<std::string>>(r, 6));
  stream.system_identifier = system.value_or("");
  return stream;
}

Result<StreamSource> source_at(const pg::Rows& rows, std::size_t r) {
  StreamSource source;
  TRY(source.id, rows.get<std::int32_t>(r, 0));
  TRY(source.name, rows.get<std::string>(r, 1));
  TRY(source.state, rows.get<std::string>(r, 2));
  TRY(const auto definition, rows.get<std::int32_t>(r, 3));
  source.definition = static_cast<std::uint32_t>(definition);
  TRY(source.relation, rows.get<std::uint32_t>(r, 4));
  TRY(source.track_changes, rows.get<bool>(r, 5));
  TRY(source.columns, rows.get<std::vector<std::string>>(r, 6));
  TRY(source.attributes, rows.get<std::vector<std::int64_t>>(r, 7));
  TRY(source.start.value, rows.get<std::uint64_t>(r, 8));
  TRY(const auto load, rows.get<std::optional<std::string>>(r, 9));
  source.load = load_of(load);
  TRY(const auto barrier, rows.get<std::optional<std::uint64_t>>(r, 10));
  if (barrier) source.barrier = pg::Lsn{*barrier};
  TRY(source.cursor, rows.get<std::vector<std::string>>(r, 11));
  TRY(const auto loaded, rows.get<std::int64_t>(r, 12));
  source.loaded = static_cast<std::uint64_t>(loaded);
  TRY(source.broken, rows.get<bool>(r, 13));
  TRY(source.retry_is_due, rows.get<bool>(r, 14));
  return source;
}

// Distinct for ledgers that read the same server, and the same again for the same ledger.
std::string stem_of(const std::string& database, const Ledger& ledger) {
  const Hash hash = sha256(database + "/" + ledger.schema() + "/" + ledger.origin());
  return "pgtally_" + to_hex(hash.view().first(4));
}

}  // namespace

std::string_view name_of(Load load) {
  for (const auto& [candidate, name] : kLoads) {
    if (candidate == load) return name;
  }
  return "";
}

Result<std::vector<Stream>> read_streams(const Ledger& ledger) {
  TRY(const auto rows, ledger.query(std::string(kStreams) + "ORDER BY s.stream_id"));
  std::vector<Stream> streams;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(auto stream, stream_at(ledger, rows, r));
    streams.push_back(std::move(stream));
  }
  return streams;
}

Result<std::optional<Stream>> find_stream(const Ledger& ledger, std::int32_t id) {
  TRY(const auto rows,
      ledger.query(std::string(kStreams) + "WHERE s.stream_id = $1", pg::Params().int4(id)));
  if (rows.empty()) return std::optional<Stream>{};
  TRY(auto stream, stream_at(ledger, rows, 0));
  return std::optional(std::move(stream));
}

Result<Stream> stream_of(const Ledger& ledger, const std::optional<std::int32_t>& endpoint_id) {
  TRY(const auto database, ledger.query("SELECT current_database()::text"));
  TRY(const auto name, database.get<std::string>(0, 0));
  const std::int32_t endpoint = endpoint_id.value_or(0);
  const std::string slot = stem_of(name, ledger) + "_" + std::to_string(endpoint);
  TRY([[maybe_unused]] const auto made,
      ledger.query(
          "INSERT INTO pgtally.stream (endpoint_id, slot, publication, insert_publication) "
          "VALUES (nullif($1::int4, 0), $2::text, $2 || '_changes', $2 || '_inserts') "
          "ON CONFLICT ((coalesce(endpoint_id, 0))) DO NOTHING",
          pg::Params().int4(endpoint).text(slot)));
  TRY(const auto rows, ledger.query(std::string(kStreams) + "WHERE coalesce(endpoint_id, 0) = $1",
                                    pg::Params().int4(endpoint)));
  if (rows.empty()) return retry("the stream that was just made is gone again");
  return stream_at(ledger, rows, 0);
}

Result<std::vector<StreamSource>> read_stream_sources(const Ledger& ledger,
                                                      std::int32_t stream_id) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT s.source_id, s.name, s.state, s.definition, t.relation, s.track_changes, t.columns,
           t.attributes, t.start_lsn, t.load, t.barrier, coalesce(t.cursor_key, '{}'), t.loaded,
           t.broken, t.broken AND coalesce(f.retry_at <= clock_timestamp(), true)
      FROM pgtally.stream_source AS t JOIN pgtally.source AS s USING (source_id)
      LEFT JOIN pgtally.failure AS f USING (source_id)
     WHERE t.stream_id = $1 AND s.state <> 'removed' ORDER BY s.source_id)sql",
                                    pg::Params().int4(stream_id)));
  std::vector<StreamSource> sources;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(auto source, source_at(rows, r));
    sources.push_back(std::move(source));
  }
  return sources;
}

Result<std::optional<StreamProgress>> read_stream_progress(const Ledger& ledger,
                                                           std::int32_t stream_id) {
  TRY(const auto rows,
      ledger.query("SELECT progress_id, commit_lsn, changes FROM pgtally.stream_progress "
                   "WHERE stream_id = $1 ORDER BY progress_id DESC LIMIT 1",
                   pg::Params().int4(stream_id)));
  if (rows.empty()) return std::optional<StreamProgress>{};
  StreamProgress progress;
  TRY(progress.id, rows.get<std::int64_t>(0, 0));
  TRY(progress.commit.value, rows.get<std::uint64_t>(0, 1));
  TRY(const auto changes, rows.get<std::int64_t>(0, 2));
  progress.changes = static_cast<std::uint64_t>(changes);
  return std::optional(progress);
}

Result<StreamProgress> advance(const Ledger& ledger, std::int32_t stream_id,
                               const StreamProgress& known, pg::Lsn commit, std::uint64_t changes) {
  TRY(const auto rows, ledger.query("SELECT pgtally.advance_stream($1::int4, nullif($2::int8, 0), "
                                    "$3::text::pg_lsn, $4::int8)",
                                    pg::Params()
                                        .int4(stream_id)
                                        .int8(known.id)
                                        .text(pg::to_string(commit))
                                        .int8(static_cast<std::int64_t>(changes))));
  StreamProgress progress{0, commit, changes};
  TRY(progress.id, rows.get<std::int64_t>(0, 0));
  return progress;
}

Result<void> write_stream_source(const Ledger& ledger, std::int32_t stream_id,
                                 const StreamSource& source) {
  const std::string load(name_of(source.load));
  TRY([[maybe_unused]] const auto rows,
      ledger.query(R"sql(
    INSERT INTO pgtally.stream_source AS t (source_id, stream_id, relation, columns, attributes,
           start_lsn, load, barrier, cursor_key, loaded, broken)
    VALUES ($1::int4, $2::int4, $3::int8::oid, $4::text[], $5::int8[], $6::text::pg_lsn,
            nullif($7::text, ''), nullif($8::text, '')::pg_lsn, nullif($9::text[], '{}'), $10::int8,
            $11::bool)
    ON CONFLICT (source_id) DO UPDATE
      SET relation = excluded.relation, columns = excluded.columns, attributes = excluded.attributes,
          start_lsn = excluded.start_lsn, load = excluded.load, barrier = excluded.barrier,
          cursor_key = excluded.cursor_key, loaded = excluded.loaded, broken = excluded.broken)sql",
                   pg::Params()
                       .int4(source.id)
                       .int4(stream_id)
                       .int8(source.relation)
                       .text_array(source.columns)
                       .int8_array(source.attributes)
                       .text(pg::to_string(source.start))
                       .text(load)
                       .text(source.barrier ? pg::to_string(*source.barrier) : "")
                       .text_array(source.cursor)
                       .int8(static_cast<std::int64_t>(source.loaded))
                       .boolean(source.broken)));
  return {};
}

Result<void> write_known_columns(const Ledger& ledger, const StreamSource& source) {
  TRY([[maybe_unused]] const auto rows,
      ledger.query(
          "UPDATE pgtally.stream_source SET columns = $2, attributes = $3 "
          "WHERE source_id = $1",
          pg::Params().int4(source.id).text_array(source.columns).int8_array(source.attributes)));
  return {};
}

Result<void> note_breakdown(const Ledger& ledger, const StreamSource& source, const Error& error) {
  TRY([[maybe_unused]] const auto noted,
      ledger.query("SELECT pgtally.note_failure($1::int4, 'TLO05', $2, $3)",
                   pg::Params().int4(source.id).text(error.message).text(error.hint)));
  return {};
}

void begin_load(StreamSource& source, pg::Lsn point) {
  if (source.load == Load::kCopy || source.load == Load::kResync) source.start = point;
  if (source.load != Load::kContinue) {
    source.cursor.clear();
    source.loaded = 0;
  }
  source.barrier = point;
}

void interrupt_load(StreamSource& source, bool positions_are_keys) {
  source.barrier.reset();
  // Rows up to the cursor are recorded as the old snapshot had them, and their changes since are in
  // the stream. The others are looked for beyond the cursor, by the next snapshot.
  if (source.load == Load::kCopy && !positions_are_keys) source.load = Load::kContinue;
}

Result<void> forget_stream(const Ledger& ledger, std::int32_t stream_id) {
  return in_transaction(ledger, [&]() -> Result<void> {
    for (const char* sql : {"DELETE FROM pgtally.stream_source WHERE stream_id = $1",
                            "DELETE FROM pgtally.stream_progress WHERE stream_id = $1",
                            "DELETE FROM pgtally.stream WHERE stream_id = $1"}) {
      TRY([[maybe_unused]] const auto gone, ledger.query(sql, pg::Params().int4(stream_id)));
    }
    return {};
  });
}

}  // namespace pgtally
