// Bringing in the rows that a table has at one point of its stream.
//
// Invariants
//   - what is read is exactly what all transactions left that commit before the snapshot's `point`,
//     and none of a later one; so the stream goes on from there without a gap or a double;
//   - rows are staged together with how far the load has come, so that another process goes on from
//     there after a kill: with a new snapshot, once the stream is staged up to it;
//   - no lock on the table but that of reading it; memory is bounded by a window of rows.
//
// A table without a key cannot be gone through in parts, because its rows cannot be told apart: it is
// loaded in one transaction of the ledger, and from the start after a kill.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "capture/logical_fit.h"
#include "capture/logical_store.h"
#include "ledger/ledger.h"
#include "pgtally/definition.h"
#include "pgtally/result.h"
#include "postgres/connection.h"
#include "postgres/replication.h"

namespace pgtally {

// Held by whoever loads the rows of a stream's tables, by a session of its own: gone with it.
class LoadLock {
 public:
  // Nothing if somebody else has it.
  [[nodiscard]] static Result<std::optional<LoadLock>> try_take(const Ledger& ledger,
                                                                std::int32_t stream_id);
  // Whether somebody has it.
  [[nodiscard]] static Result<bool> is_taken(const Ledger& ledger, std::int32_t stream_id);

 private:
  explicit LoadLock(pg::Connection session) : session_(std::move(session)) {}
  pg::Connection session_;
};

// A session that reads by the snapshot of a slot's starting point.
class LoadSnapshot {
 public:
  // By what `creator` has just exported. `creator` is of no more use to it afterwards.
  [[nodiscard]] static Result<LoadSnapshot> adopt(const std::string& conninfo,
                                                  const pg::CreatedSlot& slot);
  // By a temporary slot of its own, which waits for the transactions that are running there.
  [[nodiscard]] static Result<LoadSnapshot> take(const Stream& stream,
                                                 std::chrono::milliseconds timeout,
                                                 std::function<bool()> cancelled = {});

  [[nodiscard]] pg::Lsn point() const { return point_; }
  [[nodiscard]] pg::Connection& connection() { return connection_; }

 private:
  LoadSnapshot(pg::Connection connection, pg::Lsn point)
      : connection_(std::move(connection)), point_(point) {}
  pg::Connection connection_;
  pg::Lsn point_;
};

// The load of one source by one snapshot.
class TableLoad {
 public:
  // `source` has the snapshot's point as its barrier already. Fits the definition to the table as
  // the snapshot has it, and writes it into the log if it is a new one.
  [[nodiscard]] static Result<TableLoad> begin(const Ledger& ledger, const Stream& stream,
                                               LoadSnapshot& snapshot, StreamSource source);

  struct Step {
    bool done = false;
    std::uint64_t read = 0;
    std::uint64_t staged = 0;
  };
  // The next window, in a transaction of its own; of a table without a key, all of it, with `beat`
  // called after each window.
  [[nodiscard]] Result<Step> next(const Ledger& ledger, const std::function<Result<void>()>& beat);

  [[nodiscard]] const StreamSource& source() const { return source_; }
  // About how many rows the table has, by its statistics.
  [[nodiscard]] std::uint64_t expected_rows() const { return expected_rows_; }

 private:
  TableLoad(LoadSnapshot& snapshot, std::int32_t stream_id, StreamSource source)
      : snapshot_(&snapshot), stream_id_(stream_id), source_(std::move(source)) {}

  struct Window;
  // Whether entries without a row are looked for: that takes a load of the whole table, and a stream
  // that brings deletes otherwise.
  [[nodiscard]] bool finds_missing() const {
    return (source_.load == Load::kCompare || source_.load == Load::kResync) &&
           source_.track_changes;
  }
  [[nodiscard]] Result<void> open_cursor();
  [[nodiscard]] Result<Window> read_window();
  [[nodiscard]] Result<std::uint64_t> stage_window(const Ledger& ledger, Window& window);
  [[nodiscard]] Result<Step> whole_table(const Ledger& ledger,
                                         const std::function<Result<void>()>& beat);
  [[nodiscard]] Result<std::uint64_t> stage_missing(const Ledger& ledger, bool& done);
  // Takes note in the ledger, unless another process has gone on with this load.
  [[nodiscard]] Result<void> write(const Ledger& ledger);
  [[nodiscard]] Result<void> finish(const Ledger& ledger);

  LoadSnapshot* snapshot_;
  std::int32_t stream_id_;
  StreamSource source_;
  SourceDefinition definition_;
  bool positions_are_keys_ = false;
  std::vector<std::string> columns_;  // of the cursor, in its order
  std::vector<std::size_t> key_places_;
  std::string select_;
  std::uint64_t expected_rows_ = 0;
  int window_rows_ = 100;
  bool rows_are_done_ = false;
  Bytes missing_cursor_;
};

}  // namespace pgtally
