// A plain table: columns two blanks apart, aligned by what a terminal shows, no lines, no trailing
// blanks.
#pragma once

#include <string>
#include <vector>

namespace pgtally::cli {

enum class Align { kLeft, kRight };

class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  // Without any title there is no header line. `indent` blanks stand before each line.
  explicit Table(std::vector<Column> columns, std::size_t indent = 0);

  // Missing cells are empty, surplus ones are dropped. Cells come out as printable() gives them.
  void add(std::vector<std::string> cells);

  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
  // All lines, each with its newline.
  [[nodiscard]] std::string text() const;

 private:
  [[nodiscard]] std::string line(const std::vector<std::string>& cells,
                                 const std::vector<std::size_t>& widths) const;

  std::vector<Column> columns_;
  std::size_t indent_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace pgtally::cli
