// The rows of one table, once, in whatever order the server has them, with their hashes.
//
// Read by COPY … TO STDOUT in text format, whose values are the output functions' texts. The session
// has to have been through prepare_session(), and to be in a transaction that shows one state.
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
#include "postgres/copy_text.h"

namespace pgtally {

struct TableRow {
  // As encode_key() gives it; empty where there is none, or a column of it is null or not text.
  Bytes key;
  std::vector<Hash> contents;  // by shape; zero where the hash column holds no hash
  bool skipped = false;        // was there when the source was added, and is not recorded
  std::uint64_t xid = 0;       // of sources that have the column
  Time time;                   // that the row claims; of sources for which it is asked
};

// Rows whose memory is used again.
class RowBlock {
 public:
  static constexpr std::size_t kRows = 256;
  [[nodiscard]] std::span<const TableRow> taken() const { return {rows_.data(), taken_}; }

 private:
  friend class RowStream;
  std::vector<TableRow> rows_;
  std::size_t taken_ = 0;
};

class RowStream {
 public:
  // What is asked for beside columns; SQL over the table, which is `t`. Empty: not asked for.
  struct Extras {
    std::string skipped;  // a boolean
    std::string xid;      // an xid8
    std::string time;     // a column's name, as it stands in the table
  };

  // `relation` as SQL writes it. kOperator for what may not be read, or not without a row policy.
  [[nodiscard]] static Result<RowStream> start(pg::Connection& connection,
                                               const std::string& relation, TableFit& fit,
                                               const Extras& extras);

  // The next rows; false if there is none.
  [[nodiscard]] Result<bool> next(RowBlock& block);

 private:
  RowStream(pg::CopyOut copy, TableFit& fit, const Extras& extras);
  [[nodiscard]] Result<bool> next(TableRow& row);

  pg::CopyOut copy_;
  TableFit* fit_;
  std::size_t keys_;
  bool has_skipped_;
  bool has_xid_;
  bool has_time_;
  bool ended_ = false;
  pg::CopyLine line_;
  std::vector<std::string_view> key_texts_;
};

}  // namespace pgtally
