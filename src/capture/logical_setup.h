// What a stream has in the database that it reads: its slot and its two publications.
//
// Everything here can be done again after a crash: it looks at what is there and makes it what it
// has to be.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "capture/logical_store.h"
#include "pgtally/result.h"
#include "postgres/connection.h"
#include "postgres/lsn.h"

namespace pgtally {

// The stream's slot, as pg_replication_slots has it.
struct SlotState {
  bool exists = false;
  bool active = false;
  bool lost = false;              // invalidated: WAL that it needed is gone, or worse
  std::string why_lost;           // wal_status and what the server says beside it
  pg::Lsn confirmed;              // the server never gives again what lies before
  std::int64_t retained = 0;      // bytes of WAL that are kept for it
  std::string database;           // that it is in
  bool is_here = true;            // that is the one that was asked
  std::string system_identifier;  // of the cluster
  pg::Lsn server_position;        // how far the server's log is flushed
  std::string retain_limit;       // max_slot_wal_keep_size
};
[[nodiscard]] Result<SlotState> read_slot(pg::Connection& source, const std::string& slot);

// The SQL that makes the publications, empty ones where they are missing.
[[nodiscard]] Result<void> ensure_publications(pg::Connection& source, const Stream& stream);
[[nodiscard]] Result<bool> has_publications(pg::Connection& source, const Stream& stream);

// The tables that the stream publishes, by their oids.
struct PublishedTable {
  std::uint32_t oid = 0;
  std::string qualified;
  bool changes = false;  // in the publication of all changes
  // With a list of columns, a condition for rows, or not all kinds of changes.
  bool in_part = false;
};
[[nodiscard]] Result<std::vector<PublishedTable>> published_tables(pg::Connection& source,
                                                                   const Stream& stream);

// Puts the whole table into one of the two publications and takes it out of the other, as one
// transaction.
[[nodiscard]] Result<void> publish(pg::Connection& source, const Stream& stream, std::uint32_t oid,
                                   bool changes);
// Takes all tables out that are not among `wanted`.
[[nodiscard]] Result<void> unpublish_others(pg::Connection& source, const Stream& stream,
                                            const std::vector<std::uint32_t>& wanted);

// The slot, if it is of this database, and the publications. kRetry while somebody streams from it.
[[nodiscard]] Result<void> drop_objects(pg::Connection& source, const Stream& stream);
// A slot's name is taken in its whole cluster.
enum class SlotOf { kDatabase, kCluster };
[[nodiscard]] Result<void> drop_slot(pg::Connection& source, const std::string& slot, SlotOf of);
// drop_objects(), and the ledger knows nothing of the stream any more.
[[nodiscard]] Result<void> retire_stream(const Ledger& ledger, const Stream& stream);

// With the settings of prepare_session().
[[nodiscard]] Result<pg::Connection> open_source(const std::string& conninfo);

}  // namespace pgtally
