#include "audit/row_stream.h"

#include <fmt/format.h>

#include <utility>

#include "base/encoding.h"
#include "ledger/position_key.h"
#include "pgtally/key.h"
#include "postgres/quote.h"

namespace pgtally {

Result<RowStream> RowStream::start(pg::Connection& connection, const std::string& relation,
                                   TableFit& fit, const Extras& extras) {
  std::vector<std::string> list;
  for (const std::string& column : fit.columns()) {
    TRY(const auto name, pg::quote_identifier(column));
    list.push_back("t." + name);
  }
  if (!extras.skipped.empty()) list.push_back(extras.skipped);
  if (!extras.xid.empty()) list.push_back(extras.xid);
  if (!extras.time.empty()) {
    TRY(const auto name, pg::quote_identifier(extras.time));
    list.push_back("t." + name);
  }
  // A line of no columns could not be told from one that is empty.
  if (list.empty()) list.emplace_back("NULL");
  auto copy = pg::CopyOut::start(connection, fmt::format("COPY (SELECT {} FROM {} AS t) TO STDOUT",
                                                         fmt::join(list, ", "), relation));
  if (!copy.ok() && connection.last_sqlstate() == "42501") {
    return operator_error(
        fmt::format("{} cannot be read: {}", relation, copy.error().message),
        fmt::format("An audit has to see every row. GRANT SELECT ON {} TO the user that audits; "
                    "where the table has row policies, that user needs BYPASSRLS, or has to be the "
                    "owner of a table without FORCE ROW LEVEL SECURITY.",
                    relation));
  }
  if (!copy.ok()) return std::move(copy).error().within("reading " + relation);
  return RowStream(std::move(*copy), fit, extras);
}

RowStream::RowStream(pg::CopyOut copy, TableFit& fit, const Extras& extras)
    : copy_(std::move(copy)),
      fit_(&fit),
      keys_(has_position_key(fit.newest()) ? 0 : fit.newest().key.size()),
      has_skipped_(!extras.skipped.empty()),
      has_xid_(!extras.xid.empty()),
      has_time_(!extras.time.empty()),
      key_texts_(keys_) {}

Result<bool> RowStream::next(RowBlock& block) {
  block.rows_.resize(RowBlock::kRows);
  block.taken_ = 0;
  while (!ended_ && block.taken_ < RowBlock::kRows) {
    TRY(const bool more, next(block.rows_[block.taken_]));
    ended_ = !more;
    if (more) ++block.taken_;
  }
  return block.taken_ > 0;
}

Result<bool> RowStream::next(TableRow& row) {
  TRY(const bool more, copy_.next());
  if (!more) return false;
  TRY_VOID(line_.parse(copy_.line()));
  RowEncoder::Values values = line_.values();

  row.skipped = false;
  row.xid = 0;
  row.time = Time{};
  std::size_t extra = fit_->columns().size();
  if (values.size() < extra + (has_skipped_ ? 1 : 0) + (has_xid_ ? 1 : 0) + (has_time_ ? 1 : 0)) {
    return operator_error("a row of COPY has fewer columns than were asked for");
  }
  if (has_skipped_) row.skipped = values[extra++] == "t";
  if (has_xid_) {
    const auto& text = values[extra++];
    // xid8 goes up to 2^64 - 1, and NULL is as old as can be.
    if (text) {
      TRY(row.xid, parse_decimal(*text));
    }
  }
  if (has_time_) {
    if (const auto& text = values[extra++]) {
      const auto time = parse_time_text(*text);
      if (time.ok()) row.time = *time;
    }
  }
  values = values.first(fit_->columns().size());

  row.key.clear();
  bool has_key = keys_ > 0;
  for (std::size_t i = 0; i < keys_; ++i) {
    has_key = has_key && values[i].has_value();
    key_texts_[i] = values[i].value_or("");
  }
  if (has_key) {
    // Whoever edits a data file may make it text that is none.
    auto key = encode_key(std::span<const std::string_view>(key_texts_));
    if (key.ok()) row.key = std::move(*key);
  }
  row.contents.resize(fit_->shapes());
  for (std::size_t shape = 0; shape < row.contents.size(); ++shape) {
    TRY(const auto content, fit_->content(shape, values));
    row.contents[shape] = content.value_or(Hash{});
  }
  return true;
}

}  // namespace pgtally
