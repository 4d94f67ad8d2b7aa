#include "audit/table_rows.h"

#include <fmt/format.h>

#include <utility>

namespace pgtally {
namespace {

constexpr std::size_t kBlocksAhead = 4;
// Pages of a table for which it is worth while to open a further session.
constexpr std::int64_t kManyPages = 1'000;

}  // namespace

TableRows::Part::Part(pg::Connection& of, RowStream rows)
    : session(&of),
      stream(std::move(rows)),
      ahead(kBlocksAhead, [this](RowBlock& block) { return stream.next(block); }) {}

// A place in the file before which about half of the rows lie, where it has many and is in one file. Whatever
// becomes of the table meanwhile, each row lies on one side.
Result<std::optional<std::string>> TableRows::middle(const TableShape& shape) const {
  std::optional<std::string> none;
  if (place_->sides == nullptr || shape.kind != 'r' || shape.has_heirs) return none;
  TRY(const auto rows, place_->connection->query("SELECT pg_relation_size($1::int8::oid) / "
                                                 "current_setting('block_size')::int8",
                                                 pg::Params().int8(shape.oid)));
  TRY(const auto pages, rows.get<std::int64_t>(0, 0));
  if (pages < kManyPages) return none;
  return std::optional(fmt::format("'({},0)'::tid", pages / 2));
}

Result<void> TableRows::read(pg::Connection& session, const RowStream::Table& table,
                             const MakeFit& make_fit, const RowStream::Extras& extras) {
  TRY(TableFit fit, make_fit());
  auto stream = RowStream::start(session, table, std::move(fit), extras);
  if (!stream.ok()) {
    sqlstate_ = session.last_sqlstate();
    parts_.clear();
    return std::move(stream).error();
  }
  parts_.push_back(std::make_unique<Part>(session, std::move(*stream)));
  return {};
}

Result<void> TableRows::start(const std::string& relation, const TableShape& shape,
                              const MakeFit& make_fit, const RowStream::Extras& extras) {
  RowStream::Table table{relation, shape.oid};
  TRY(const auto half, middle(shape));
  std::vector<pg::Connection*> sides;
  if (half) sides = place_->sides->readers_of(relation, 1);
  if (sides.empty()) return read(*place_->connection, table, make_fit, extras);
  table.condition = "t.ctid < " + *half;
  TRY_VOID(read(*place_->connection, table, make_fit, extras));
  table.condition = "t.ctid >= " + *half;
  return read(*sides.front(), table, make_fit, extras);
}

Result<bool> TableRows::next(RowBlock& block) {
  while (!parts_.empty()) {
    turn_ %= parts_.size();
    Part& part = *parts_[turn_];
    auto more = part.ahead.next(block);
    if (!more.ok()) {
      sqlstate_ = part.session->last_sqlstate();
      parts_.clear();  // so that the connection can be used again
      return std::move(more).error();
    }
    if (*more) {
      ++turn_;
      return true;
    }
    parts_.erase(parts_.begin() + static_cast<std::ptrdiff_t>(turn_));
  }
  return false;
}

}  // namespace pgtally
