// All rows of one table, read ahead of whoever takes them; of a large one by two sessions at once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/row_places.h"
#include "audit/row_stream.h"
#include "audit/table_fit.h"
#include "base/read_ahead.h"
#include "ledger/catalog.h"
#include "pgtally/result.h"

namespace pgtally {

class TableRows {
 public:
  // Each session hashes with a fit of its own.
  using MakeFit = std::function<Result<TableFit>()>;

  // The place outlives it. Nothing else is to be asked of the place's connection meanwhile.
  explicit TableRows(const RowPlace& place) : place_(&place) {}

  // `relation` as SQL writes it. Errors as RowStream's.
  [[nodiscard]] Result<void> start(const std::string& relation, const TableShape& shape,
                                   const MakeFit& make_fit, const RowStream::Extras& extras);
  // The next rows, in whatever order; false if there are none.
  [[nodiscard]] Result<bool> next(RowBlock& block);

  // After an error: what its server said; may be empty.
  [[nodiscard]] const std::string& sqlstate() const { return sqlstate_; }

 private:
  struct Part {
    Part(pg::Connection& session, RowStream rows);
    pg::Connection* session;
    RowStream stream;
    ReadAhead<RowBlock> ahead;  // the last member: it uses the stream
  };
  [[nodiscard]] Result<std::optional<std::string>> middle(const TableShape& shape) const;
  [[nodiscard]] Result<void> read(pg::Connection& session, const RowStream::Table& table,
                                  const MakeFit& make_fit, const RowStream::Extras& extras);

  const RowPlace* place_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::size_t turn_ = 0;
  std::string sqlstate_;
};

}  // namespace pgtally
