#include "postgres/rows.h"

#include <libpq-fe.h>

#include <cstdlib>

namespace pgtally::pg {

Rows::Rows(pg_result* result) : result_(result) {
  size_ = static_cast<std::size_t>(PQntuples(result));
  const int columns = PQnfields(result);
  for (int c = 0; c < columns; ++c) types_.push_back(static_cast<Type>(PQftype(result, c)));
  if (columns > 0 && PQfformat(result, 0) == 0) format_ = Field::Format::kText;
}

void Rows::Clear::operator()(pg_result* result) const {
  PQclear(result);
}

std::string_view Rows::name(std::size_t column) const {
  return column < types_.size() ? PQfname(result_.get(), static_cast<int>(column)) : "";
}

Type Rows::type(std::size_t column) const {
  return column < types_.size() ? types_[column] : Type::kUnspecified;
}

Result<std::size_t> Rows::column(std::string_view wanted) const {
  for (std::size_t c = 0; c < types_.size(); ++c) {
    if (name(c) == wanted) return c;
  }
  return operator_error("the result has no column \"" + std::string(wanted) + '"');
}

Field Rows::field(std::size_t row, std::size_t column) const {
  if (row >= size_ || column >= types_.size()) return Field{};
  const int r = static_cast<int>(row);
  const int c = static_cast<int>(column);
  if (PQgetisnull(result_.get(), r, c) != 0) return Field{nullptr, -1, types_[column], format_};
  return Field{reinterpret_cast<const std::uint8_t*>(PQgetvalue(result_.get(), r, c)),
               PQgetlength(result_.get(), r, c), types_[column], format_};
}

std::string_view Rows::command_tag() const {
  return result_ ? PQcmdStatus(result_.get()) : std::string_view();
}

std::uint64_t Rows::affected() const {
  return result_ ? std::strtoull(PQcmdTuples(result_.get()), nullptr, 10) : 0;
}

Error Rows::located(Error error, std::size_t row, std::size_t column) const {
  return error.within("row " + std::to_string(row + 1) + ", column " + std::to_string(column + 1) +
                      (name(column).empty() ? "" : " \"" + std::string(name(column)) + '"'));
}

}  // namespace pgtally::pg
