// From the messages of pgoutput to committed changes, in commit order.
//
//   while (true) {
//     TRY(auto received, replication.receive(wait));
//     …                                               // keepalives, nothing
//     TRY_VOID(stream.put(data.payload));
//     for (bool more = true; more;) {
//       TRY(const auto event, stream.next());
//       switch (event) {
//         case ChangeStream::Event::kNone:   more = false; break;         // put() the next message
//         case ChangeStream::Event::kChange: use(stream.transaction(), stream.change()); break;
//         case ChangeStream::Event::kCommit: finish(stream.transaction()); break;
//       }
//     }
//   }
//
// Invariants
//   - only changes of committed transactions come out, each once, in the order of commits; those of
//     rolled back subtransactions are left out;
//   - the changes of a transaction are numbered 0, 1, 2, … in an order that is the same whenever the
//     server sends the transaction again, streamed or not. So (commit LSN, number) names a change for
//     good, and a reader that staged the first N of them skips these after a restart;
//   - a change goes with the description of its table that counted at that point of the stream.
//
// A transaction that the server sends once it has committed (Begin … Commit) is passed through: its
// changes come out as they arrive, and nothing is kept. One that is streamed before it commits is
// collected, and comes out at its Stream Commit. What is collected stays in memory up to
// Options::memory for all of them together, and beyond that in a file for each, which has no name, so
// that nothing is left behind. Memory does not grow with a transaction but by one bit or so for each
// transaction id that was given out while it ran, and only where it has rolled back subtransactions.
//
// After an error it is of no more use: connect again, with a new one. Knows no sources.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "capture/pgoutput.h"
#include "capture/spool.h"
#include "capture/xid_set.h"
#include "pgtally/result.h"
#include "pgtally/types.h"
#include "postgres/lsn.h"

namespace pgtally {

// A table as the stream described it. Never changes: a new description is a new object, and an equal
// one is the same object as before.
struct StreamedTable {
  struct Column {
    bool key = false;  // part of the replica identity; with FULL, every column is
    std::string name;
    pgoutput::Oid type = 0;
    std::int32_t typmod = -1;
    bool operator==(const Column&) const = default;
  };
  pgoutput::Oid oid = 0;
  std::string schema;
  std::string name;
  pgoutput::ReplicaIdentity identity = pgoutput::ReplicaIdentity::kDefault;
  std::vector<Column> columns;  // those that are published
  bool operator==(const StreamedTable&) const = default;
};

struct Change {
  enum class Operation : std::uint8_t { kInsert, kUpdate, kDelete, kTruncate };

  std::uint64_t number = 0;  // within the transaction
  Operation operation = Operation::kInsert;
  std::shared_ptr<const StreamedTable> table;
  // Both have a value for each column of the table, or are empty: row for deletes and truncates,
  // old_row where old_kind is kNone. A value that an update left unchanged is taken from the old row
  // where that has it; kUnchanged remains where it does not.
  pgoutput::Values row;
  pgoutput::OldRow old_kind = pgoutput::OldRow::kNone;
  pgoutput::Values old_row;
};

struct CommittedTransaction {
  pgoutput::Xid xid = 0;
  pg::Lsn commit_lsn;
  Time commit_time;
  pg::Lsn end_lsn;            // 0/0 before kCommit: where the next one may begin
  std::uint64_t changes = 0;  // how many came out so far
};

class ChangeStream {
 public:
  struct Options {
    std::size_t memory = std::size_t{8} << 20;
    // Where spool files are made. Empty: TMPDIR, or /var/tmp, which is on disk.
    std::string directory{};
  };
  enum class Event : std::uint8_t { kNone, kChange, kCommit };

  ChangeStream() : ChangeStream(Options{}) {}
  explicit ChangeStream(Options options);
  ChangeStream(const ChangeStream&) = delete;
  ChangeStream& operator=(const ChangeStream&) = delete;

  // Takes the next message. It must stay where it is until next() has said kNone; put() is refused
  // before that.
  [[nodiscard]] Result<void> put(ByteView message);

  [[nodiscard]] Result<Event> next();

  // Of the last kChange; its values are valid until the next call of next().
  [[nodiscard]] const Change& change() const { return change_; }
  // Of the last kChange or kCommit.
  [[nodiscard]] const CommittedTransaction& transaction() const { return transaction_; }
  // A transaction has begun to come out and has not ended. Where not, everything that the server
  // says it has sent has come out, or will come out with a commit LSN beyond that.
  [[nodiscard]] bool in_transaction() const { return state_ != State::kBetween; }

  // What is collected, and waits for its transaction to end.
  [[nodiscard]] std::size_t open_transactions() const { return open_.size(); }
  [[nodiscard]] std::uint64_t bytes_in_memory() const { return in_memory_; }
  [[nodiscard]] std::uint64_t bytes_in_files() const;

 private:
  enum class State : std::uint8_t {
    kBetween,  // no transaction comes out
    kDirect,   // one comes out as its messages arrive
    kReplay,   // one that was collected comes out
  };
  // A transaction that has not ended yet.
  struct Collected {
    Spool records;  // its messages; those with a table have their arrival number behind them
    XidSet aborted;
  };
  using Open = std::map<pgoutput::Xid, Collected>;
  struct Table {
    std::shared_ptr<const StreamedTable> table;
    std::uint64_t arrival = 0;
  };
  using Tables = std::unordered_map<pgoutput::Oid, Table>;

  [[nodiscard]] Result<void> collect(ByteView message);
  [[nodiscard]] Result<void> make_room();
  [[nodiscard]] Result<void> take(const pgoutput::Message& message);
  [[nodiscard]] Result<void> begin(const pgoutput::Begin& begin);
  [[nodiscard]] Result<void> commit(const pgoutput::Commit& commit);
  [[nodiscard]] Result<void> begin_block(const pgoutput::StreamStart& start);
  [[nodiscard]] Result<void> begin_replay(const pgoutput::StreamCommit& commit);
  void abort(const pgoutput::StreamAbort& abort);
  [[nodiscard]] Result<Event> next_of_replay();
  void end_replay();

  // What a message inside a transaction means for the tables, change_ or truncated_.
  [[nodiscard]] Result<void> apply(const pgoutput::Message& message, std::uint64_t arrival);
  [[nodiscard]] Result<void> describe(const pgoutput::RelationView& relation,
                                      std::uint64_t arrival);
  [[nodiscard]] Result<void> set_change(Change::Operation operation, pgoutput::Oid relation);
  [[nodiscard]] Result<void> set_rows(pgoutput::Values row, pgoutput::OldRow old_kind,
                                      pgoutput::Values old_row);
  void take_unchanged_values();
  [[nodiscard]] const Table* find(pgoutput::Oid relation) const;
  // The change that apply() has left, or the next table of a truncate; kNone if there is none.
  [[nodiscard]] Result<Event> give_change();

  Options options_;
  pgoutput::Decoder decoder_;
  State state_ = State::kBetween;

  Open open_;
  Open::iterator block_;   // which of them the current block belongs to; open_.end() outside
  Open::iterator replay_;  // which of them comes out
  std::size_t in_memory_ = 0;

  Tables tables_;         // as they count for the next transaction
  Tables replay_tables_;  // described in the transaction that is replayed
  std::uint64_t arrivals_ = 0;

  bool has_change_ = false;
  bool has_commit_ = false;
  std::vector<pgoutput::Oid> truncated_;  // the tables of one truncate, the next one last
  std::vector<pgoutput::Value> row_;      // a new row with values taken from the old one
  Change change_;
  CommittedTransaction transaction_;
};

}  // namespace pgtally
