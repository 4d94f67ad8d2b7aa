// A source's table in another database: the connection to it, and reading pages of its rows.
//
// Rows come as COPY TO STDOUT in text format, whose values are the output functions' texts. Each is
// hashed as it arrives, so a page of wide rows takes no more memory than its keys, hashes and the
// widest row.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "format/row_encoder.h"
#include "ledger/catalog.h"
#include "ledger/ledger.h"
#include "ledger/stager.h"
#include "pgtally/definition.h"
#include "postgres/connection.h"

namespace pgtally {

inline constexpr std::size_t kRemotePage = 10'000;

// What the registry says of a source in another database.
struct RemoteSource {
  std::int32_t id = 0;
  std::string name;
  std::string mode;
  bool sweeps_only = false;  // mode poll without one integer key
  std::string conninfo;      // may hold a password
  std::string place;         // host:port/database
  SourceDefinition definition;
};

// The active sources of modes xid and poll in other databases, or only that one. Needs the rights of
// the ledger's owner.
[[nodiscard]] Result<std::vector<RemoteSource>> remote_sources(
    const Ledger& ledger, std::optional<std::int32_t> source_id = {});

// Rows of a table in the order of a query.
struct RemotePage {
  std::vector<StagedRow> rows;
  std::vector<std::string> last_key;  // output texts of the key columns of the last row
  bool full = false;                  // there may be more
};

class RemoteTable {
 public:
  // Refuses a server before version 14, a database whose text is in no known encoding, and for mode
  // xid a standby. Pins the session's settings. kOperator names a column that is gone.
  [[nodiscard]] static Result<RemoteTable> connect(const RemoteSource& source);

  [[nodiscard]] pg::Connection& connection() { return connection_; }
  [[nodiscard]] const RemoteSource& source() const { return source_; }

  // Parts of queries over the table, which is `t`. Columns of the key are c1, c2, … of a query's
  // select list; that of xid mode ends with x.
  [[nodiscard]] const std::string& from() const { return from_; }
  [[nodiscard]] const std::string& columns() const { return columns_; }
  [[nodiscard]] const std::string& key_columns() const { return key_columns_; }
  [[nodiscard]] const std::string& order() const { return order_; }          // t."a", t."b"
  [[nodiscard]] const std::string& key_names() const { return key_names_; }  // c1, c2
  [[nodiscard]] const std::string& time() const { return time_; }  // timestamptz, perhaps NULL
  // (t."a", t."b") > (CAST('1' AS bigint), …)
  [[nodiscard]] Result<std::string> beyond(const std::vector<std::string>& key) const;
  // The same in the order (xid, key), in a form that an index on them can start from.
  [[nodiscard]] Result<std::string> beyond(const std::string& xid,
                                           const std::vector<std::string>& key) const;

  struct Waiting {
    std::uint64_t rows = 0;
    std::optional<Time> oldest;  // by the rows' own time
  };
  // What lies beyond, for people to look at: counted up to a bound, and only now and then, because it
  // costs as much as reading. Nothing: it was counted a moment ago.
  [[nodiscard]] Result<std::optional<Waiting>> count_waiting(const std::string& condition);

  // Runs a query whose select list is columns(), or key_columns() with `keys_only`: then the rows have
  // no content. At most kRemotePage rows are expected.
  [[nodiscard]] Result<RemotePage> read(const std::string& query, bool keys_only = false);

 private:
  RemoteTable(RemoteSource source, pg::Connection connection)
      : source_(std::move(source)), connection_(std::move(connection)) {}
  [[nodiscard]] Result<void> check_server();
  [[nodiscard]] Result<void> describe();
  [[nodiscard]] Result<std::string> cursor(const std::vector<std::string>& key) const;

  RemoteSource source_;
  pg::Connection connection_;
  std::optional<RowEncoder> encoder_;
  std::optional<RowEncoder> key_encoder_;
  std::string from_, columns_, key_columns_, order_, key_names_, time_;
  std::vector<std::string> cast_types_;
  std::chrono::steady_clock::time_point next_count_{};
};

// Which history of which cluster the server has: the cluster's system identifier, and the timeline
// that it writes, or "standby". Transaction ids and LSNs are comparable within one history only. What
// the ledger knows of its own cluster is table `cluster`; of a remote one each source keeps its own
// (capture.server), because each has a progress of its own to set right.
inline constexpr const char* kServerHistory =
    "(SELECT system_identifier FROM pg_control_system())::text || '/' || CASE WHEN "
    "pg_is_in_recovery() THEN 'standby' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) "
    "END";

// Mode xid cannot go on there: a standby's snapshots list nobody who writes.
[[nodiscard]] Error no_rounds_on_standby(const std::string& which);

// Takes the server's present snapshot, and makes it durable there: after a crash the server could
// otherwise give out transaction ids again that were over in the snapshot, because a commit with
// synchronous_commit off is forgotten then, and what has such an id would never be new.
struct DurableSnapshot {
  std::string snapshot;
  std::string history;
  std::string lsn;
};
[[nodiscard]] Result<DurableSnapshot> take_durable_snapshot(pg::Connection& connection);
// The LSN up to which the server's log is durable afterwards. kOperator if the user may not.
[[nodiscard]] Result<std::string> make_durable(pg::Connection& connection);
// For modes that can do without: rows that were read and are lost in a crash there would remain in the
// log alone. Does nothing where the user may not, nor on a standby, which shows only what is durable.
[[nodiscard]] Result<void> make_durable_if_allowed(pg::Connection& connection);

}  // namespace pgtally
