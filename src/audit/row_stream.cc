#include "audit/row_stream.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/encoding.h"
#include "crypto/sha256.h"
#include "ledger/position_key.h"
#include "pgtally/key.h"
#include "postgres/output_text.h"
#include "postgres/quote.h"

namespace pgtally {

// The server makes a text by the function that its own COPY would call. No cast does: that to text is
// another thing for some types, and whoever owns a type may define one.
Result<RowStream::Columns> RowStream::columns_of(pg::Connection& connection, std::uint32_t table,
                                                 const std::vector<std::string>& names) {
  TRY(const auto rows, connection.query(R"sql(
    SELECT a.attname::text, a.atttypid::int8, format('%I.%I', n.nspname, p.proname),
           -- A domain has the function of what it is over, which may not take the domain itself.
           (WITH RECURSIVE base(oid) AS (
              SELECT t.typbasetype WHERE t.typtype = 'd'
              UNION ALL
              SELECT b.typbasetype FROM base JOIN pg_type AS b USING (oid) WHERE b.typtype = 'd')
            SELECT format_type(oid, -1) FROM base JOIN pg_type AS b USING (oid) WHERE b.typtype <> 'd')
      FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
      JOIN pg_proc AS p ON p.oid = t.typoutput JOIN pg_namespace AS n ON n.oid = p.pronamespace
     WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped)sql",
                                        pg::Params().int8(table)));
  std::map<std::string, std::size_t, std::less<>> places;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(auto name, rows.get<std::string>(r, 0));
    places.emplace(std::move(name), r);
  }
  Columns columns;
  for (const std::string& name : names) {
    TRY(const auto quoted_name, pg::quote_identifier(name));
    Column& column = columns.emplace_back(Column{"t." + quoted_name});
    const auto place = places.find(name);
    if (place == places.end()) continue;  // the server will say that it is gone
    TRY(const auto type, rows.get<std::int64_t>(place->second, 1));
    if (pg::has_output_text(static_cast<pg::Type>(type))) {
      column.type = static_cast<pg::Type>(type);
      column.is_text = pg::is_its_own_text(column.type);
    } else {
      TRY(const auto output, rows.get<std::string>(place->second, 2));
      TRY(const auto base, rows.get<std::optional<std::string>>(place->second, 3));
      column.sql = base ? fmt::format("{}(CAST({} AS {}))", output, column.sql, *base)
                        : fmt::format("{}({})", output, column.sql);
    }
  }
  return columns;
}

Result<RowStream> RowStream::start(pg::Connection& connection, const Table& table, TableFit fit,
                                   const Extras& extras) {
  const std::string& relation = table.relation;
  std::vector<std::string> names = fit.columns();
  if (!extras.time.empty()) names.push_back(extras.time);
  TRY(Columns columns, columns_of(connection, table.oid, names));
  std::vector<std::string> list;
  for (const Column& column : columns) list.push_back(column.sql);
  if (!extras.skipped.empty()) list.push_back(extras.skipped);
  if (!extras.xid.empty()) list.push_back(extras.xid);
  auto copy = pg::CopyOut::start(
      connection, fmt::format("COPY (SELECT {} FROM {} AS t{}) TO STDOUT (FORMAT binary)",
                              fmt::join(list, ", "), relation,
                              table.condition.empty() ? "" : " WHERE " + table.condition));
  if (!copy.ok() && connection.last_sqlstate() == "42501") {
    return operator_error(
        fmt::format("{} cannot be read: {}", relation, copy.error().message),
        fmt::format("An audit has to see every row. GRANT SELECT ON {} TO the user that audits; "
                    "where the table has row policies, that user needs BYPASSRLS, or has to be the "
                    "owner of a table without FORCE ROW LEVEL SECURITY.",
                    relation));
  }
  if (!copy.ok()) return std::move(copy).error().within("reading " + relation);
  return RowStream(std::move(*copy), std::move(fit), extras, std::move(columns));
}

RowStream::RowStream(pg::CopyOut copy, TableFit fit, const Extras& extras, Columns columns)
    : copy_(std::move(copy)),
      fit_(std::move(fit)),
      columns_(std::move(columns)),
      keys_(has_position_key(fit_.newest()) ? 0 : fit_.newest().key.size()),
      has_skipped_(!extras.skipped.empty()),
      has_xid_(!extras.xid.empty()),
      has_time_(!extras.time.empty()),
      values_(columns_.size()),
      key_texts_(keys_) {}

Result<bool> RowStream::next(RowBlock& block) {
  block.rows_.resize(RowBlock::kRows);
  block.taken_ = 0;
  block.preimages_.clear();
  block.sizes_.clear();
  block.places_.clear();
  while (block.taken_ < RowBlock::kRows && block.preimages_.size() < RowBlock::kMostPreimages) {
    if (ended_) break;
    TRY(const bool more, copy_.next());
    ended_ = !more;
    if (more) TRY_VOID(take(block, block.rows_[block.taken_++]));
  }
  return block.taken_ > 0;
}

Result<void> RowStream::take(RowBlock& block, TableRow& row) {
  TRY_VOID(read_values());
  std::size_t extra = columns_.size();
  row.skipped = false;
  if (has_skipped_) {
    TRY(row.skipped, copy_.get<bool>(extra++));
  }
  row.xid = 0;
  if (has_xid_) {
    TRY(const auto xid, copy_.get<std::optional<std::uint64_t>>(extra++));
    row.xid = xid.value_or(0);  // NULL is as old as can be
  }
  row.time = Time{};
  if (has_time_ && values_.back()) {
    const auto time = parse_time_text(*values_.back());
    if (time.ok()) row.time = *time;
  }
  take_key(row);
  return take_contents(block, row);
}

// Fills values_, whose views live until the next row.
Result<void> RowStream::read_values() {
  if (copy_.columns() < columns_.size()) {
    return operator_error("a row of COPY has fewer columns than were asked for");
  }
  texts_.clear();
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    Column& column = columns_[i];
    const pg::Field field = copy_.field(i);
    values_[i].reset();
    if (field.is_null()) continue;
    values_[i] = as_text(field.bytes());
    if (column.is_text) continue;
    const std::size_t start = texts_.size();
    if (!pg::append_output_text(column.type, field.bytes(), texts_)) {
      // Somebody has edited the file that it is in. It is text that no value has, so the row is changed.
      texts_.resize(start);
      texts_ += "no " + pg::name_of(column.type) + ": " + to_hex(field.bytes());
    }
    column.size = texts_.size() - start;
  }
  // Only now is it known where they are.
  std::string_view rest = texts_;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i].is_text || !values_[i]) continue;
    values_[i] = rest.substr(0, columns_[i].size);
    rest.remove_prefix(columns_[i].size);
  }
  return {};
}

void RowStream::take_key(TableRow& row) {
  row.key.clear();
  bool has_key = keys_ > 0;
  for (std::size_t i = 0; i < keys_; ++i) {
    has_key = has_key && values_[i].has_value();
    key_texts_[i] = values_[i].value_or("");
  }
  if (!has_key) return;
  // Whoever edits a data file may make it text that is none.
  if (!encode_key_into(key_texts_, row.key).ok()) row.key.clear();
}

Result<void> RowStream::take_contents(RowBlock& block, TableRow& row) {
  const RowEncoder::Values values = std::span(values_).first(fit_.columns().size());
  row.contents.resize(fit_.shapes());
  for (std::size_t shape = 0; shape < row.contents.size(); ++shape) {
    const std::size_t before = block.preimages_.size();
    TRY(const bool to_be_hashed, fit_.append_preimage(shape, values, block.preimages_));
    if (to_be_hashed) {
      block.sizes_.push_back(block.preimages_.size() - before);
      block.places_.push_back(&row.contents[shape]);
    } else {
      TRY(const auto content, fit_.content(shape, values));
      row.contents[shape] = content.value_or(Hash{});
    }
  }
  return {};
}

std::span<const TableRow> RowBlock::hashed() {
  std::vector<ByteView> messages;
  messages.reserve(sizes_.size());
  ByteView rest = preimages_;
  for (const std::size_t size : sizes_) {
    messages.push_back(rest.first(size));
    rest = rest.subspan(size);
  }
  std::vector<Hash> hashes(messages.size());
  sha256_many(messages, hashes);
  for (std::size_t i = 0; i < places_.size(); ++i) *places_[i] = hashes[i];
  return {rows_.data(), taken_};
}

}  // namespace pgtally
