#include "capture/logical_load.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/row_encoder.h"
#include "ledger/catalog.h"
#include "ledger/registry.h"
#include "ledger/session_settings.h"
#include "ledger/stager.h"
#include "pgtally/key.h"
#include "postgres/further_session.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

constexpr int kMostRows = 10'000;
constexpr std::size_t kWindowBytes = std::size_t{8} << 20;

// Two numbers that no other advisory lock of the ledger's database has.
constexpr const char* kLoadLock =
    "('pgtally.stream_source'::regclass::oid::bigint::bit(32)::integer, $1::int4)";

Result<pg::Connection> open_reading(const std::string& conninfo) {
  TRY(auto connection, pg::Connection::open(conninfo));
  TRY_VOID(prepare_session(connection));
  return connection;
}

}  // namespace

Result<std::optional<LoadLock>> LoadLock::try_take(const Ledger& ledger, std::int32_t stream_id) {
  TRY(auto session, pg::Connection::open(pg::conninfo_of(ledger.connection())));
  TRY(const auto rows,
      session.query(ledger.sql(std::string("SELECT pg_try_advisory_lock") + kLoadLock),
                    pg::Params().int4(stream_id)));
  TRY(const bool taken, rows.get<bool>(0, 0));
  if (!taken) return std::optional<LoadLock>{};
  return std::optional<LoadLock>(LoadLock(std::move(session)));
}

Result<bool> LoadLock::is_taken(const Ledger& ledger, std::int32_t stream_id) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT EXISTS (SELECT FROM pg_locks
                    WHERE locktype = 'advisory' AND granted AND objid = $1::int4::oid AND objsubid = 2
                      AND classid = 'pgtally.stream_source'::regclass::oid AND database = (
                        SELECT oid FROM pg_database WHERE datname = current_database())))sql",
                                    pg::Params().int4(stream_id)));
  return rows.get<bool>(0, 0);
}

Result<LoadSnapshot> LoadSnapshot::adopt(const std::string& conninfo, const pg::CreatedSlot& slot) {
  TRY(auto connection, open_reading(conninfo));
  TRY(const auto name, pg::quote_literal(slot.snapshot));
  TRY_VOID(connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  TRY_VOID(connection.execute("SET TRANSACTION SNAPSHOT " + name));
  // The snapshot is taken over now, whatever becomes of the session that exported it.
  TRY_VOID(connection.execute("SELECT 1"));
  return LoadSnapshot(std::move(connection), slot.consistent_point);
}

Result<LoadSnapshot> LoadSnapshot::take(const Stream& stream, std::chrono::milliseconds timeout,
                                        std::function<bool()> cancelled) {
  TRY(auto creator, pg::Replication::open(stream.conninfo));
  pg::SlotRequest request;
  request.name = fmt::format("{}_{}", stream.slot, creator.backend_pid());
  request.temporary = true;
  request.snapshot = pg::SlotSnapshot::kExport;
  request.timeout = timeout;
  request.cancelled = std::move(cancelled);
  TRY(const pg::CreatedSlot slot, creator.create_slot(request));
  return adopt(stream.conninfo, slot);
}

// Rows that were read, and what becomes of them.
struct TableLoad::Window {
  std::vector<StagedRow> rows;
  std::vector<std::string> last_key;
  std::uint64_t read = 0;
  bool last = false;
};

Result<TableLoad> TableLoad::begin(const Ledger& ledger, const Stream& stream,
                                   LoadSnapshot& snapshot, StreamSource source) {
  TableLoad load(snapshot, stream.id, std::move(source));
  StreamSource& s = load.source_;
  pg::Connection& connection = snapshot.connection();
  TRY(load.definition_, read_definition(ledger, s.id));
  TRY(const StreamedTable table, table_in_catalog(connection, s.relation));
  TRY(Fit fit, fit_definition(connection, load.definition_, {s.columns, s.attributes}, table));
  load.definition_ = std::move(fit.definition);
  s.columns = std::move(fit.known.names);
  s.attributes = std::move(fit.known.numbers);
  load.positions_are_keys_ = has_position_key(load.definition_);
  if (fit.changed) {
    TRY(const auto document, encode(load.definition_));
    const auto work = [&]() -> Result<void> {
      TRY_VOID(ledger.execute("SELECT pgtally.lock_ledger()"));
      TRY([[maybe_unused]] const auto defined,
          ledger.query("SELECT pgtally.define($1::int4, $2::int4, $3::bytea)",
                       pg::Params()
                           .int4(s.id)
                           .int4(static_cast<std::int32_t>(load.definition_.number))
                           .bytea(as_bytes(document))));
      return load.write(ledger);
    };
    TRY_VOID(in_transaction(ledger, work));
  }
  s.definition = load.definition_.number;

  std::vector<std::string> list;
  for (const auto& column : table.columns) {
    load.columns_.push_back(column.name);
    TRY(const auto name, pg::quote_identifier(column.name));
    list.push_back("t." + name);
  }
  std::string where;
  std::string order;
  if (!load.positions_are_keys_) {
    TRY(const TableShape shape, describe_table(connection, load.definition_.relation));
    std::vector<std::string> names;
    std::vector<std::string> values;
    for (std::size_t i = 0; i < load.definition_.key.size(); ++i) {
      const std::string& key = load.definition_.key[i];
      const TableColumn* column = shape.column(key);
      if (column == nullptr)
        return retry("the table " + shape.qualified + " has just been changed");
      const auto place = std::find(load.columns_.begin(), load.columns_.end(), key);
      load.key_places_.push_back(static_cast<std::size_t>(place - load.columns_.begin()));
      TRY(const auto name, pg::quote_identifier(key));
      names.push_back("t." + name);
      if (i < s.cursor.size()) {
        TRY(const auto value, pg::quote_literal(s.cursor[i]));
        values.push_back(fmt::format("CAST({} AS {})", value, column->cast_type));
      }
    }
    order = fmt::format(" ORDER BY {}", fmt::join(names, ", "));
    if (!values.empty()) {
      where = fmt::format(" WHERE ({}) > ({})", fmt::join(names, ", "), fmt::join(values, ", "));
    }
  }
  load.select_ = fmt::format("SELECT {} FROM {} AS t{}{}", fmt::join(list, ", "),
                             load.definition_.relation, where, order);
  TRY(const auto estimate,
      connection.query("SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::int8 FROM pg_class AS c "
                       "WHERE c.relkind = 'r' AND c.oid IN (SELECT $1::oid UNION "
                       "SELECT relid FROM pg_partition_tree($1::oid::regclass))",
                       pg::Params().int8(s.relation)));
  TRY(const auto rows, estimate.get<std::int64_t>(0, 0));
  load.expected_rows_ = static_cast<std::uint64_t>(rows);
  TRY_VOID(load.open_cursor());
  return load;
}

Result<void> TableLoad::open_cursor() {
  return snapshot_->connection().execute(
      fmt::format("DECLARE load_{} NO SCROLL CURSOR FOR {}", source_.id, select_));
}

Result<TableLoad::Window> TableLoad::read_window() {
  SourceDefinition definition = definition_;
  if (positions_are_keys_) definition.key.clear();
  TRY(const RowEncoder encoder, RowEncoder::make(definition, columns_));
  TRY(const auto rows, snapshot_->connection().query_text(
                           fmt::format("FETCH {} FROM load_{}", window_rows_, source_.id)));
  Window window;
  window.read = rows.size();
  window.last = rows.size() < static_cast<std::size_t>(window_rows_);
  const std::string position = pg::to_string(snapshot_->point()) + "/s";
  std::vector<std::optional<std::string_view>> values(columns_.size());
  std::size_t bytes = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      TRY(values[c], rows.get<std::optional<std::string_view>>(r, c));
      if (values[c]) bytes += values[c]->size();
    }
    StagedRow row;
    row.source_id = source_.id;
    row.definition = definition_.number;
    row.source_position = position + std::to_string(source_.loaded + r);
    TRY(EncodedRow encoded, encoder.encode(values));
    row.key = std::move(encoded.key);
    if (positions_are_keys_) {
      TRY(row.key, encode_key(std::span<const std::string>(&row.source_position, 1)));
    }
    row.content = encoded.content;
    row.source_time = encoded.time;
    window.rows.push_back(std::move(row));
  }
  if (!rows.empty()) {
    for (const std::size_t place : key_places_) {
      TRY(const auto text, rows.get<std::string>(rows.size() - 1, place));
      window.last_key.push_back(text);
    }
    const std::size_t width = std::max<std::size_t>(1, bytes / rows.size());
    window_rows_ = static_cast<int>(std::clamp<std::size_t>(kWindowBytes / width, 1, kMostRows));
  }
  return window;
}

Result<std::uint64_t> TableLoad::stage_window(const Ledger& ledger, Window& window) {
  if (source_.load != Load::kCopy && !window.rows.empty()) {
    std::vector<Bytes> keys;
    std::vector<Bytes> contents;
    for (const StagedRow& row : window.rows) {
      keys.push_back(row.key);
      contents.emplace_back(row.content.bytes.begin(), row.content.bytes.end());
    }
    TRY(const auto answer, ledger.query("SELECT pgtally.compare_rows($1::int4, $2::bytea[], "
                                        "$3::bytea[], $4::bool)",
                                        pg::Params()
                                            .int4(source_.id)
                                            .bytea_array(keys)
                                            .bytea_array(contents)
                                            .boolean(finds_missing())));
    TRY(const auto operations, answer.get<std::vector<std::int64_t>>(0, 0));
    std::vector<StagedRow> wanted;
    for (std::size_t i = 0; i < window.rows.size() && i < operations.size(); ++i) {
      if (operations[i] == 0 || (operations[i] == 2 && !source_.track_changes)) continue;
      window.rows[i].operation = static_cast<Operation>(operations[i]);
      wanted.push_back(std::move(window.rows[i]));
    }
    window.rows = std::move(wanted);
  }
  TRY_VOID(stage(ledger, window.rows));
  return window.rows.size();
}

Result<TableLoad::Step> TableLoad::next(const Ledger& ledger,
                                        const std::function<Result<void>()>& beat) {
  if (positions_are_keys_) return whole_table(ledger, beat);
  Step step;
  const auto work = [&]() -> Result<void> {
    if (!rows_are_done_) {
      TRY(Window window, read_window());
      step.read = window.read;
      TRY(step.staged, stage_window(ledger, window));
      source_.loaded += window.read;
      if (!window.last_key.empty()) source_.cursor = std::move(window.last_key);
      rows_are_done_ = window.last;
      step.done = window.last && !finds_missing();
    } else {
      TRY(step.staged, stage_missing(ledger, step.done));
    }
    return step.done ? finish(ledger) : write(ledger);
  };
  TRY_VOID(in_transaction(ledger, work));
  return step;
}

Result<TableLoad::Step> TableLoad::whole_table(const Ledger& ledger,
                                               const std::function<Result<void>()>& beat) {
  Step step;
  step.done = true;
  const auto work = [&]() -> Result<void> {
    // What is recorded already cannot be told from what is not.
    const bool can_be_loaded = source_.load == Load::kCopy;
    for (bool more = can_be_loaded; more;) {
      TRY(Window window, read_window());
      TRY_VOID(stage(ledger, window.rows));
      step.read += window.read;
      step.staged += window.read;
      source_.loaded += window.read;
      more = !window.last;
      TRY_VOID(beat());
    }
    return finish(ledger);
  };
  TRY_VOID(in_transaction(ledger, work));
  return step;
}

Result<std::uint64_t> TableLoad::stage_missing(const Ledger& ledger, bool& done) {
  TRY(const auto rows,
      ledger.query("SELECT last_key, staged FROM pgtally.record_missing($1::int4, $2::bytea, "
                   "$3::int4, $4::text)",
                   pg::Params()
                       .int4(source_.id)
                       .bytea(missing_cursor_)
                       .int4(kMostRows)
                       .text(pg::to_string(snapshot_->point()) + "/s")));
  TRY(const auto last, rows.get<std::optional<Bytes>>(0, 0));
  TRY(const auto staged, rows.get<std::int64_t>(0, 1));
  done = !last.has_value();
  if (last) missing_cursor_ = *last;
  return static_cast<std::uint64_t>(staged);
}

Result<void> TableLoad::write(const Ledger& ledger) {
  TRY(const auto rows,
      ledger.query(
          "SELECT load, barrier FROM pgtally.stream_source WHERE source_id = $1 FOR UPDATE",
          pg::Params().int4(source_.id)));
  if (rows.empty()) return retry("source " + source_.name + " has left its stream");
  TRY(const auto load, rows.get<std::optional<std::string>>(0, 0));
  TRY(const auto barrier, rows.get<std::optional<std::uint64_t>>(0, 1));
  if (load != name_of(source_.load) || barrier != snapshot_->point().value) {
    return retry("another process has gone on with loading source " + source_.name);
  }
  return write_stream_source(ledger, stream_id_, source_);
}

Result<void> TableLoad::finish(const Ledger& ledger) {
  TRY_VOID(write(ledger));
  source_.load = Load::kNone;
  source_.barrier.reset();
  source_.cursor.clear();
  TRY_VOID(write_stream_source(ledger, stream_id_, source_));
  TRY([[maybe_unused]] const auto seen,
      ledger.query("DELETE FROM pgtally.stream_seen WHERE source_id = $1",
                   pg::Params().int4(source_.id)));
  TRY([[maybe_unused]] const auto cleared,
      ledger.query("SELECT pgtally.heal($1::int4)", pg::Params().int4(source_.id)));
  return snapshot_->connection().execute(fmt::format("CLOSE load_{}", source_.id));
}

}  // namespace pgtally
