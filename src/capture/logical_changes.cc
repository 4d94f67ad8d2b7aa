#include "capture/logical_changes.h"

#include <algorithm>

#include "base/encoding.h"
#include "ledger/registry.h"
#include "pgtally/key.h"

namespace pgtally {
namespace {

bool concerns_everyone(const Error& error) {
  return error.code == ErrorCode::kRetry || error.code == ErrorCode::kTampered;
}

// The columns that a source knows, as the table in the stream has them.
StreamSource knowing(StreamSource source, const KnownColumns& known) {
  source.columns = known.names;
  source.attributes = known.numbers;
  return source;
}

}  // namespace

void break_down(StreamSource& source) {
  source.broken = true;
  source.load = Load::kResync;
  source.barrier.reset();
  source.cursor.clear();
  source.loaded = 0;
}

Result<void> ChangeEncoder::put(const Ledger& ledger, pg::Connection& database,
                                std::vector<StreamSource>& sources,
                                const CommittedTransaction& transaction, const Change& change,
                                ChangeBatch& batch) {
  for (StreamSource& source : sources) {
    if (source.relation != change.table->oid || !source.takes(transaction.commit_lsn)) continue;
    const std::size_t before = batch.rows.size();
    const auto attempt = [&]() -> Result<void> {
      TRY(const Target* its_target, target(ledger, database, source, change, batch));
      return encode(source, *its_target, transaction, change, batch.rows);
    };
    const Result<void> result = attempt();
    if (result.ok()) continue;
    if (concerns_everyone(result.error()) || !database.is_alive()) return result;
    batch.rows.resize(before);
    break_down(source);
    batch.breakdowns.push_back({source, result.error()});
  }
  return {};
}

Result<const ChangeEncoder::Target*> ChangeEncoder::target(const Ledger& ledger,
                                                           pg::Connection& database,
                                                           StreamSource& source,
                                                           const Change& change,
                                                           ChangeBatch& batch) {
  const auto place = std::pair(change.table.get(), source.id);
  const auto known = targets_.find(place);
  if (known != targets_.end() && known->second.definition.number == source.definition) {
    return &known->second;
  }
  SourceDefinition& current = definitions_[source.id];
  if (current.source.empty() || current.number != source.definition) {
    TRY(current, read_definition(ledger, source.id));
  }
  TRY(Fit fit,
      fit_definition(database, current, {source.columns, source.attributes}, *change.table));
  if (fit.definition.relation != current.relation) {
    // It goes by another name. If another table has taken the name over, that is the source's now.
    TRY(const auto named, table_to_follow(database, current.relation, source.relation));
    if (named && *named != source.relation) {
      return reject("table " + current.relation +
                        " has another name, and its own is that of another "
                        "table now",
                    "The source goes on with the table that has the name.");
    }
  }
  const bool knows_more = fit.known.names != source.columns;
  if (fit.changed || knows_more) {
    source = knowing(std::move(source), fit.known);
    std::string document;
    if (fit.changed) {
      TRY(document, pgtally::encode(fit.definition));
      source.definition = fit.definition.number;
      current = fit.definition;
    }
    batch.definitions.push_back({source, std::move(document)});
  }
  Target made{change.table, fit.definition, std::nullopt, {}, has_position_key(fit.definition)};
  SourceDefinition encoded = fit.definition;
  if (made.position_is_key) encoded.key.clear();
  std::vector<std::string> names;
  for (const auto& column : change.table->columns) names.push_back(column.name);
  TRY(made.encoder, RowEncoder::make(encoded, names));
  std::vector<std::string> needed = encoded.key;
  for (const ColumnDefinition& column : encoded.columns) needed.push_back(column.name);
  if (encoded.hash_column) needed.push_back(*encoded.hash_column);
  if (encoded.time) needed.push_back(*encoded.time);
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (std::find(needed.begin(), needed.end(), names[i]) != needed.end()) made.needed.push_back(i);
  }
  return &(targets_.insert_or_assign(place, std::move(made)).first->second);
}

Result<void> ChangeEncoder::take_values(const Target& target, const pgoutput::Values& values) {
  for (const std::size_t place : target.needed) {
    if (place < values.size() && values[place].kind != pgoutput::ValueKind::kUnchanged) continue;
    return reject("an update of " + target.definition.relation + " left the long value of column " +
                      quoted(place < values.size() ? target.table->columns[place].name : "?") +
                      " alone, and so did not bring it into the stream",
                  "Run: ALTER TABLE " + target.definition.relation + " REPLICA IDENTITY FULL;");
  }
  values_.clear();
  for (const pgoutput::Value& value : values) {
    values_.push_back(value.kind == pgoutput::ValueKind::kText ? std::optional(value.text)
                                                               : std::nullopt);
  }
  return {};
}

Result<void> ChangeEncoder::encode(const StreamSource& source, const Target& target,
                                   const CommittedTransaction& transaction, const Change& change,
                                   std::vector<StagedRow>& rows) {
  using Kind = Change::Operation;
  StagedRow row;
  row.source_id = source.id;
  row.definition = target.definition.number;
  row.source_position = pg::to_string(transaction.commit_lsn) + "/" + std::to_string(change.number);
  row.source_time = transaction.commit_time;
  if (change.operation == Kind::kTruncate) {
    row.operation = Operation::kTruncate;
    rows.push_back(std::move(row));
    return {};
  }

  Bytes position_key;
  if (target.position_is_key) {
    TRY(position_key, encode_key(std::span<const std::string>(&row.source_position, 1)));
  }
  // The row as it was: its key where the stream has it, its content where it has all of it.
  std::optional<Bytes> old_key;
  Hash old_content;
  if (change.old_kind != pgoutput::OldRow::kNone) {
    if (change.old_kind == pgoutput::OldRow::kFull) {
      TRY_VOID(take_values(target, change.old_row));
      TRY(EncodedRow old_row, target.encoder->encode(values_));
      old_key = std::move(old_row.key);
      old_content = old_row.content;
    } else {
      values_.clear();
      for (const pgoutput::Value& value : change.old_row) {
        values_.push_back(value.kind == pgoutput::ValueKind::kText ? std::optional(value.text)
                                                                   : std::nullopt);
      }
      TRY(old_key, target.encoder->encode_key(values_));
    }
  }
  if (change.operation == Kind::kDelete) {
    if (!old_key) return reject("a delete came without the row's key");
    row.operation = Operation::kDelete;
    row.key = target.position_is_key ? std::move(position_key) : std::move(*old_key);
    row.content = old_content;
    rows.push_back(std::move(row));
    return {};
  }

  TRY_VOID(take_values(target, change.row));
  TRY(EncodedRow encoded, target.encoder->encode(values_));
  row.operation = change.operation == Kind::kUpdate ? Operation::kUpdate : Operation::kInsert;
  row.key = target.position_is_key ? std::move(position_key) : std::move(encoded.key);
  row.content = encoded.content;
  if (!target.position_is_key && old_key && *old_key != row.key) {
    // Another key is another row: the old one is gone.
    StagedRow gone = row;
    gone.operation = Operation::kDelete;
    gone.key = std::move(*old_key);
    gone.content = old_content;
    rows.push_back(std::move(gone));
    row.operation = Operation::kInsert;
  }
  if (target.definition.time) row.source_time = encoded.time;
  rows.push_back(std::move(row));
  return {};
}

}  // namespace pgtally
