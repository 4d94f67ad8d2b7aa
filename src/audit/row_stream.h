// The rows of one table, once, in whatever order the server has them, with their hashes.
//
// Read by COPY … TO STDOUT in binary format. Hashed are the texts that the types' output functions write:
// of types that postgres/output_text.h knows they are made here, of all others the server makes them. The
// session has to have been through prepare_session(), and to be in a transaction that shows one state.
// Partitions and heirs are read as capture reads them: with the table. Memory: one block.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "audit/table_fit.h"
#include "pgtally/result.h"
#include "pgtally/types.h"
#include "postgres/connection.h"
#include "postgres/copy.h"
#include "postgres/types.h"

namespace pgtally {

struct TableRow {
  // As encode_key() gives it; empty where there is none, or a column of it is null or not text.
  Bytes key;
  std::vector<Hash> contents;  // by shape; zero where the hash column holds no hash
  bool skipped = false;        // was there when the source was added, and is not recorded
  std::uint64_t xid = 0;       // of sources that have the column
  Time time;                   // that the row claims; of sources for which it is asked
};

// Rows whose memory is used again. Reading takes one thread its time, and hashing another one.
class RowBlock {
 public:
  static constexpr std::size_t kRows = 1024;
  // The rows, with their contents.
  [[nodiscard]] std::span<const TableRow> hashed();

 private:
  friend class RowStream;
  // A block ends before its end if it has these.
  static constexpr std::size_t kMostPreimages = std::size_t{256} << 10;

  std::vector<TableRow> rows_;
  std::size_t taken_ = 0;
  // What is still to be hashed, one behind the other, and where the hashes go.
  Bytes preimages_;
  std::vector<std::size_t> sizes_;
  std::vector<Hash*> places_;
};

class RowStream {
 public:
  // What is asked for beside columns; SQL over the table, which is `t`. Empty: not asked for.
  struct Extras {
    std::string skipped;  // a boolean
    std::string xid;      // an xid8
    std::string time;     // a column's name, as it stands in the table
  };

  // What is read: `relation` as SQL writes it, or the rows of it of which `condition` is true.
  struct Table {
    std::string relation;
    std::uint32_t oid = 0;
    std::string condition = {};
  };
  // kOperator for what may not be read, or not without a row policy.
  [[nodiscard]] static Result<RowStream> start(pg::Connection& connection, const Table& table,
                                               TableFit fit, const Extras& extras);

  // The next rows; false if there is none.
  [[nodiscard]] Result<bool> next(RowBlock& block);

 private:
  // A column as it comes: its values are of this type, or text already.
  struct Column {
    std::string sql;
    pg::Type type = pg::Type::kUnspecified;
    bool is_text = true;   // as it comes
    std::size_t size = 0;  // of the text of this row's value, where it was made here
  };
  using Columns = std::vector<Column>;
  RowStream(pg::CopyOut copy, TableFit fit, const Extras& extras, Columns columns);
  [[nodiscard]] static Result<Columns> columns_of(pg::Connection& connection, std::uint32_t table,
                                                  const std::vector<std::string>& names);
  [[nodiscard]] Result<void> take(RowBlock& block, TableRow& row);
  [[nodiscard]] Result<void> read_values();
  void take_key(TableRow& row);
  [[nodiscard]] Result<void> take_contents(RowBlock& block, TableRow& row);

  pg::CopyOut copy_;
  TableFit fit_;
  Columns columns_;  // the fit's, then the time if it is asked for
  std::size_t keys_;
  bool has_skipped_;
  bool has_xid_;
  bool has_time_;
  bool ended_ = false;
  std::vector<std::optional<std::string_view>> values_;
  std::string texts_;  // what values that were made here point into
  std::vector<std::string_view> key_texts_;
};

}  // namespace pgtally
