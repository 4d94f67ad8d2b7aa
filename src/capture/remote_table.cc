#include "capture/remote_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "ledger/other_database.h"
#include "ledger/registry.h"
#include "ledger/session_settings.h"
#include "postgres/copy.h"
#include "postgres/copy_text.h"
#include "postgres/quote.h"
#include "postgres/transaction.h"

namespace pgtally {
namespace {

// The key first, then whatever else an entry is made of.
std::vector<std::string> wanted_columns(const SourceDefinition& definition) {
  std::vector<std::string> names = definition.key;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const ColumnDefinition& column : definition.columns) add(column.name);
  if (definition.hash_column) add(*definition.hash_column);
  if (definition.time) add(*definition.time);
  return names;
}

// The time that a row claims, for `status` alone: no later than now, and of a date nothing, because
// not every date is a timestamp.
std::string claimed_time(const SourceDefinition& definition, const TableShape& shape) {
  if (!definition.time) return "NULL::timestamptz";
  const TableColumn* column = shape.column(*definition.time);
  if (column == nullptr || column->type == "date") return "NULL::timestamptz";
  auto name = pg::quote_identifier(*definition.time);
  if (!name.ok()) return "NULL::timestamptz";
  return fmt::format("least(t.{}::timestamptz, now())", *name);
}

}  // namespace

Result<std::vector<RemoteSource>> remote_sources(const Ledger& ledger,
                                                 std::optional<std::int32_t> source_id) {
  // Whoever may not read endpoints can still work on a ledger that has none.
  TRY(const auto any, ledger.query("SELECT count(*) FROM pgtally.source WHERE state = 'active' "
                                   "AND endpoint_id IS NOT NULL AND mode IN ('xid', 'poll')"));
  TRY(const auto count, any.get<std::int64_t>(0, 0));
  if (count == 0) return std::vector<RemoteSource>();
  auto found = ledger.query(
      "SELECT s.source_id, s.name, s.mode, s.sweeps_only, e.conninfo, e.place "
      "FROM pgtally.source AS s JOIN pgtally.endpoint AS e USING (endpoint_id) "
      "WHERE s.state = 'active' AND s.mode IN ('xid', 'poll') "
      "AND ($1 < 0 OR s.source_id = $1) ORDER BY s.source_id",
      pg::Params().int4(source_id.value_or(-1)));
  if (!found.ok() && ledger.connection().last_sqlstate() == "42501") {
    return operator_error(
        fmt::format("{} sources are in other databases, and only the ledger's owner may see how to "
                    "connect to them",
                    count),
        "Run this as the owner of the ledger's schema.");
  }
  TRY(const pg::Rows rows, std::move(found));
  std::vector<RemoteSource> sources;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    RemoteSource& source = sources.emplace_back();
    TRY(source.id, rows.get<std::int32_t>(r, 0));
    TRY(source.name, rows.get<std::string>(r, 1));
    TRY(source.mode, rows.get<std::string>(r, 2));
    TRY(source.sweeps_only, rows.get<bool>(r, 3));
    TRY(source.conninfo, rows.get<std::string>(r, 4));
    TRY(source.place, rows.get<std::string>(r, 5));
    TRY(source.definition, read_definition(ledger, source.id));
  }
  return sources;
}

Result<RemoteTable> RemoteTable::connect(const RemoteSource& source) {
  auto connection = pg::Connection::open(source.conninfo);
  if (!connection.ok()) {
    return unreachable_source(
        std::move(connection).error().within("connecting to " + source.place));
  }
  RemoteTable table(source, std::move(*connection));
  TRY_VOID(prepare_session(table.connection_));
  TRY_VOID(table.check_server());
  TRY_VOID(table.describe());
  return table;
}

Result<void> RemoteTable::check_server() {
  TRY_VOID(check_source_server(connection_, source_.place));
  TRY(const auto rows, connection_.query("SELECT pg_is_in_recovery()"));
  TRY(const bool standby, rows.get<bool>(0, 0));
  if (standby && source_.mode == "xid") {
    return no_rounds_on_standby("at " + source_.place);
  }
  return {};
}

Result<void> RemoteTable::describe() {
  const SourceDefinition& definition = source_.definition;
  TRY(const TableShape shape, describe_table(connection_, definition.relation));
  const std::vector<std::string> names = wanted_columns(definition);
  std::vector<std::string> columns;
  std::vector<std::string> order;
  std::vector<std::string> key_names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const TableColumn* column = shape.column(names[i]);
    if (column == nullptr) {
      return operator_error(
          "column " + quoted(names[i]) + " of " + definition.relation + " at " + source_.place +
              " is gone",
          "Its definition needs it. Put the column back, or remove the source and "
          "add the table under another name.");
    }
    TRY(const auto name, pg::quote_identifier(names[i]));
    columns.push_back(fmt::format("t.{} AS c{}", name, i + 1));
    if (i >= definition.key.size()) continue;
    order.push_back("t." + name);
    key_names.push_back(fmt::format("c{}", i + 1));
    cast_types_.push_back(column->cast_type);
  }
  TRY(encoder_, RowEncoder::make(definition, names));
  SourceDefinition key_alone;
  key_alone.source = definition.source;
  key_alone.key = definition.key;
  TRY(key_encoder_, RowEncoder::make(key_alone, definition.key));

  const std::string xid = source_.mode == "xid" ? ", t.xid AS x" : "";
  from_ = definition.relation + " AS t";
  columns_ = fmt::format("{}", fmt::join(columns, ", ")) + xid;
  columns.resize(definition.key.size());
  key_columns_ = fmt::format("{}", fmt::join(columns, ", ")) + xid;
  order_ = fmt::format("{}", fmt::join(order, ", "));
  key_names_ = fmt::format("{}", fmt::join(key_names, ", "));
  time_ = claimed_time(definition, shape);
  return {};
}

Result<std::string> RemoteTable::cursor(const std::vector<std::string>& key) const {
  if (key.size() != cast_types_.size()) {
    return operator_error(fmt::format("the cursor of source {} has {} columns, and its key {}",
                                      source_.name, key.size(), cast_types_.size()));
  }
  std::vector<std::string> values;
  for (std::size_t i = 0; i < key.size(); ++i) {
    TRY(const auto value, pg::quote_literal(key[i]));
    values.push_back(fmt::format("CAST({} AS {})", value, cast_types_[i]));
  }
  return fmt::format("{}", fmt::join(values, ", "));
}

Result<std::string> RemoteTable::beyond(const std::vector<std::string>& key) const {
  TRY(const auto values, cursor(key));
  return fmt::format("({}) > ({})", order_, values);
}

Result<std::string> RemoteTable::beyond(const std::string& xid,
                                        const std::vector<std::string>& key) const {
  TRY(const auto here, pg::quote_literal(xid));
  TRY(const auto values, cursor(key));
  return fmt::format("t.xid >= {0}::xid8 AND (t.xid, {1}) > ({0}::xid8, {2})", here, order_,
                     values);
}

Result<std::optional<RemoteTable::Waiting>> RemoteTable::count_waiting(
    const std::string& condition) {
  constexpr std::size_t kMost = 100'000;
  constexpr std::chrono::seconds kInterval{2};
  const auto now = std::chrono::steady_clock::now();
  if (now < next_count_) return std::optional<Waiting>();
  next_count_ = now + kInterval;
  TRY(const auto rows,
      connection_.query(fmt::format(
          "SELECT count(*), min(w.tm) FROM (SELECT {} AS tm FROM {} WHERE {} LIMIT {}) AS w", time_,
          from_, condition, kMost)));
  Waiting waiting;
  TRY(const auto count, rows.get<std::int64_t>(0, 0));
  waiting.rows = static_cast<std::uint64_t>(count);
  TRY(const auto oldest, rows.get<Time>(0, 1));
  if (oldest.microseconds != Time::kNone) waiting.oldest = oldest;
  return std::optional<Waiting>(waiting);
}

Result<RemotePage> RemoteTable::read(const std::string& query, bool keys_only) {
  const SourceDefinition& definition = source_.definition;
  const bool has_xid = source_.mode == "xid";
  const std::size_t keys = definition.key.size();
  TRY(auto copy, pg::CopyOut::start(connection_, "COPY (" + query + ") TO STDOUT"));
  RemotePage page;
  pg::CopyLine line;
  while (true) {
    TRY(const bool more, copy.next());
    if (!more) break;
    TRY_VOID(line.parse(copy.line()));
    const auto values = line.values();
    const auto fields = values.first(values.size() - (has_xid ? 1 : 0));
    StagedRow& row = page.rows.emplace_back();
    row.source_id = source_.id;
    row.definition = definition.number;
    if (keys_only) {
      TRY(row.key, key_encoder_->encode_key(fields));
    } else {
      TRY(EncodedRow encoded, encoder_->encode(fields));
      row.key = std::move(encoded.key);
      row.content = encoded.content;
      row.source_time = encoded.time;
    }
    if (has_xid) {
      row.source_position = values.back().value_or("");
    } else if (!source_.sweeps_only) {
      row.source_position = *fields[0];
    }
    page.last_key.clear();
    for (std::size_t i = 0; i < keys; ++i) page.last_key.emplace_back(*fields[i]);
  }
  page.full = page.rows.size() >= kRemotePage;
  return page;
}

Error no_rounds_on_standby(const std::string& which) {
  return operator_error(
      "the server " + which + " is a standby, whose snapshots do not show who writes",
      "Mode xid reads from the primary: add target_session_attrs=read-write to --database.");
}

Result<std::string> make_durable(pg::Connection& connection) {
  TRY(auto transaction, pg::Transaction::begin(connection));
  auto message = connection.query("SELECT pg_logical_emit_message(true, 'pgtally', '')::text");
  if (!message.ok() && connection.last_sqlstate() == "42501") {
    return operator_error(
        "the user that reads the source may not make its progress durable there",
        "Grant it:  GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) TO …\n"
        "Without it, rows could be missed after a crash of that server, if applications commit "
        "with "
        "synchronous_commit off. Mode poll needs no such right.");
  }
  TRY(const pg::Rows rows, std::move(message));
  TRY(auto lsn, rows.get<std::string>(0, 0));
  // prepare_session() has seen to it that this waits until everything up to here is durable.
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return lsn;
  return retry("whether the source's server keeps its snapshot is not known: " + result.reason);
}

Result<void> make_durable_if_allowed(pg::Connection& connection) {
  TRY(const auto rows,
      connection.query("SELECT NOT pg_is_in_recovery() AND has_function_privilege("
                       "'pg_logical_emit_message(boolean, text, text)', 'EXECUTE')"));
  TRY(const bool allowed, rows.get<bool>(0, 0));
  if (!allowed) return {};
  TRY([[maybe_unused]] const auto lsn, make_durable(connection));
  return {};
}

Result<DurableSnapshot> take_durable_snapshot(pg::Connection& connection) {
  DurableSnapshot taken;
  // In a statement of its own: its transaction has no id, so the snapshot lacks nobody.
  TRY(const auto rows,
      connection.query(std::string("SELECT pg_current_snapshot()::text, ") + kServerHistory));
  TRY(taken.snapshot, rows.get<std::string>(0, 0));
  TRY(taken.history, rows.get<std::string>(0, 1));
  TRY(taken.lsn, make_durable(connection));
  return taken;
}

}  // namespace pgtally
