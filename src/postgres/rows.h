// The rows that a statement returned, all of them in memory, in the format they were asked for.
//
// Reading costs no allocation; get<T> is some 10 ns a value. Views (string_view, ByteView) live as
// long as the Rows. What T may be, and what is refused, stands in field.h.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "postgres/field.h"

struct pg_result;  // libpq's PGresult

namespace pgtally::pg {

class Rows {
 public:
  Rows() = default;                  // no rows, no columns
  explicit Rows(pg_result* result);  // takes it over

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t columns() const { return types_.size(); }
  [[nodiscard]] std::string_view name(std::size_t column) const;  // empty where there is none
  [[nodiscard]] Type type(std::size_t column) const;
  // The first column of that name.
  [[nodiscard]] Result<std::size_t> column(std::string_view name) const;

  [[nodiscard]] bool is_null(std::size_t row, std::size_t column) const {
    return field(row, column).is_null();
  }
  // A place outside the result gives a field that every decode refuses.
  [[nodiscard]] Field field(std::size_t row, std::size_t column) const;

  template <typename T>
  [[nodiscard]] Result<T> get(std::size_t row, std::size_t column) const {
    auto value = decode<T>(field(row, column));
    if (!value.ok()) return located(std::move(value).error(), row, column);
    return value;
  }

  // What the server calls the command, such as "INSERT 0 3", and how many rows it touched.
  [[nodiscard]] std::string_view command_tag() const;
  [[nodiscard]] std::uint64_t affected() const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  [[nodiscard]] Error located(Error error, std::size_t row, std::size_t column) const;

  std::unique_ptr<pg_result, Clear> result_;
  std::size_t size_ = 0;
  std::vector<Type> types_;
  Field::Format format_ = Field::Format::kBinary;
};

}  // namespace pgtally::pg
