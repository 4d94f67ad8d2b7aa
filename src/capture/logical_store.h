// What the ledger knows of its replication streams: tables stream, stream_source, stream_progress.
//
// Everything that is written here is written in the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "postgres/lsn.h"
#include "postgres/transaction.h"

namespace pgtally {

// A slot and its two publications; see sql/migrations/0002_capture.sql.
struct Stream {
  std::int32_t id = 0;
  std::optional<std::int32_t> endpoint_id;
  std::string conninfo;  // of the database that it is in
  std::string slot;
  std::string publication;
  std::string insert_publication;
  std::string system_identifier;  // empty: there is no slot yet
};

// What has to be done with the rows of a table before its stream goes on; see table stream_source.
enum class Load { kNone, kCopy, kContinue, kCompare, kResync };

struct StreamSource {
  std::int32_t id = 0;
  std::string name;
  std::string state;  // active or paused
  std::uint32_t definition = 0;
  std::uint32_t relation = 0;
  bool track_changes = false;
  std::vector<std::string> columns;  // of the table, and their numbers in its catalog
  std::vector<std::int64_t> attributes;
  pg::Lsn start;
  Load load = Load::kNone;
  std::optional<pg::Lsn> barrier;
  std::vector<std::string> cursor;  // empty: at the beginning
  std::uint64_t loaded = 0;
  bool broken = false;
  bool retry_is_due = false;  // broken, and its failure says that it may be tried again

  [[nodiscard]] bool has_load() const {
    return state == "active" && !broken && load != Load::kNone;
  }
  // Whether changes that commit there are taken; if not, they are dropped.
  [[nodiscard]] bool takes(pg::Lsn commit) const {
    const bool from_its_snapshot = load == Load::kCopy || load == Load::kResync;
    return state == "active" && !broken && !(from_its_snapshot && !barrier) && commit >= start;
  }
};

// All transactions whose commit lies before `commit`, and the first `changes` of the one right there.
struct StreamProgress {
  std::int64_t id = 0;
  pg::Lsn commit;
  std::uint64_t changes = 0;
};

[[nodiscard]] Result<std::vector<Stream>> read_streams(const Ledger& ledger);
// Nothing if the stream is gone.
[[nodiscard]] Result<std::optional<Stream>> find_stream(const Ledger& ledger, std::int32_t id);
// The one of this endpoint; made if there is none. In a transaction of its own.
[[nodiscard]] Result<Stream> stream_of(const Ledger& ledger,
                                       const std::optional<std::int32_t>& endpoint_id);

// Active and paused ones, in the order in which they were added.
[[nodiscard]] Result<std::vector<StreamSource>> read_stream_sources(const Ledger& ledger,
                                                                    std::int32_t stream_id);
// Nothing if the stream has no slot yet.
[[nodiscard]] Result<std::optional<StreamProgress>> read_stream_progress(const Ledger& ledger,
                                                                         std::int32_t stream_id);
// kRetry if the newest progress is not `known` any more.
[[nodiscard]] Result<StreamProgress> advance(const Ledger& ledger, std::int32_t stream_id,
                                             const StreamProgress& known, pg::Lsn commit,
                                             std::uint64_t changes);

// What the stream has to know of a source from now on.
[[nodiscard]] Result<void> write_stream_source(const Ledger& ledger, std::int32_t stream_id,
                                               const StreamSource& source);

// Its columns and their numbers alone.
[[nodiscard]] Result<void> write_known_columns(const Ledger& ledger, const StreamSource& source);

// Begins, and commits durably; whatever else happens is an error.
template <typename Work>
[[nodiscard]] Result<void> in_transaction(const Ledger& ledger, Work work) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  TRY_VOID(work());
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return {};
  return retry("whether rows of a stream are staged is not known: " + result.reason);
}

[[nodiscard]] std::string_view name_of(Load load);

// What a source's own trouble looks like in table `failure`; heal() takes it back.
[[nodiscard]] Result<void> note_breakdown(const Ledger& ledger, const StreamSource& source,
                                          const Error& error);

// The load gets a snapshot of that point; it was interrupted, or is new.
void begin_load(StreamSource& source, pg::Lsn point);
// Whoever was at it is gone, and his snapshot with him.
void interrupt_load(StreamSource& source, bool positions_are_keys);

// What the ledger knows of a stream that no source needs. Its sources were removed before.
[[nodiscard]] Result<void> forget_stream(const Ledger& ledger, std::int32_t stream_id);

}  // namespace pgtally
