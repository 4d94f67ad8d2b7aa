// How the definitions of a source fit its table as it is now: which columns are read, and how each
// row is hashed under each definition.
//
// Columns are told through `renamed`: what a definition calls x may be y in the table. A column that
// the table has no longer counts as NULL. Definitions that hash the same columns by the same names
// share a shape, so that a row is hashed once for all of them.
//
// Pure computation: knows no database.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "format/row_encoder.h"
#include "ledger/catalog.h"
#include "pgtally/definition.h"
#include "pgtally/result.h"

namespace pgtally {

using Definitions = std::map<std::uint32_t, SourceDefinition>;
using Renamings = std::map<std::string, std::string>;  // from, to

class TableFit {
 public:
  // `used`: the definitions that rows are hashed under. Of those that are not known, rows have no
  // content. `renamed_since`: columns that the newest definition knows by other names than the table.
  // kReject if a column of the key is gone, or if there is no definition.
  [[nodiscard]] static Result<TableFit> make(const Definitions& definitions,
                                             const std::set<std::uint32_t>& used,
                                             const TableShape& table,
                                             const Renamings& renamed_since = {});

  [[nodiscard]] const SourceDefinition& newest() const { return newest_; }
  // Of the table, as it calls them: the key's first, then whatever a shape needs.
  [[nodiscard]] const std::vector<std::string>& columns() const { return columns_; }

  // The content of a row by the shape; `values` in the order of columns(). Nothing where the hash
  // column holds none.
  [[nodiscard]] std::size_t shapes() const { return shapes_.size(); }
  [[nodiscard]] Result<std::optional<Hash>> content(std::size_t shape, RowEncoder::Values values);
  // Appends what has to be hashed for it. False, and nothing appended, where content() has to be asked.
  [[nodiscard]] Result<bool> append_preimage(std::size_t shape, RowEncoder::Values values,
                                             Bytes& out);
  // Nothing for a definition that is not known or not used.
  [[nodiscard]] std::optional<std::size_t> shape_of(std::uint32_t definition) const;

  // Columns that the definition covers and the table no longer has, as the table would call them.
  [[nodiscard]] const std::vector<std::string>& gone(std::uint32_t definition) const;
  // Whether the newest definition says that they are there.
  [[nodiscard]] bool is_expected(const std::string& column) const;

  // Columns of the table whose change would not show in rows that were recorded under any of these.
  [[nodiscard]] std::vector<std::string> not_covered(const std::set<std::uint32_t>& living,
                                                     const TableShape& table) const;

 private:
  struct Shape {
    std::vector<std::pair<std::string, std::string>> covered;  // (name, column of the table or "")
    bool is_hash_column = false;
    std::vector<std::string> names;  // for RowEncoder; longer than columns_ where some are gone
    std::optional<RowEncoder> encoder;
  };
  TableFit() = default;
  [[nodiscard]] std::string name_now(std::uint32_t definition, std::string column) const;
  [[nodiscard]] Shape shape(const SourceDefinition& definition, const TableShape& table) const;
  void want(const std::string& column);
  // What the shape's encoder takes: with those that are gone, which are NULL.
  [[nodiscard]] RowEncoder::Values values_for(const Shape& shape, RowEncoder::Values values);
  [[nodiscard]] Result<void> make_encoder(Shape& shape) const;

  Definitions definitions_;
  Renamings renamed_since_;
  SourceDefinition newest_;
  std::vector<std::string> columns_;
  std::vector<Shape> shapes_;
  std::map<std::uint32_t, std::size_t> shape_of_;
  std::map<std::uint32_t, std::vector<std::string>> gone_;
  std::vector<std::optional<std::string_view>> values_;  // room that is used again
};

}  // namespace pgtally
