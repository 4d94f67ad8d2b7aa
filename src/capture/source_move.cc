#include "capture/source_move.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "capture/logical_setup.h"
#include "ledger/endpoint.h"
#include "ledger/other_database.h"
#include "ledger/source_check.h"
#include "postgres/transaction.h"

namespace pgtally {
namespace {

constexpr int kMostTries = 50;
constexpr std::chrono::milliseconds kBetweenTries{200};

// One running server and a database of it: a standby that was promoted is another one.
Result<std::string> server_of(pg::Connection& database) {
  TRY(const auto rows,
      database.query("SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()), "
                     "pg_postmaster_start_time(), "
                     "(SELECT oid FROM pg_database WHERE datname = current_database()))"));
  return rows.get<std::string>(0, 0);
}

// From one row of `endpoint` to another one, because that of removed sources stays where they were.
Result<std::string> update_statements(const Ledger& ledger, const SourceMove& move,
                                      bool with_password) {
  TRY(const EndpointText to, endpoint_text(ledger, move.to, with_password));
  return fmt::format("SELECT {}.lock_ledger();\n", ledger.schema()) + to.statement +
         fmt::format(
             "UPDATE {0}.source SET endpoint_id = {1}\n"
             " WHERE endpoint_id = {2} AND state <> 'removed';\n"
             "UPDATE {0}.stream SET endpoint_id = {1}\n"
             " WHERE endpoint_id = {2};\n",
             ledger.schema(), to.id, move.endpoint_id) +
         forget_endpoint_text(ledger.schema(), std::to_string(move.endpoint_id));
}

// The log tells of another place, but not of which.
std::string notice_statements(const Ledger& ledger, const SourceMove& move) {
  if (move.to.place == move.from) return {};
  std::string script;
  for (const SourceInfo& source : move.sources) {
    script += fmt::format(
        "SELECT {}.notice_about({}, 'moved', 'Its table is read at another place from here "
        "on.');\n",
        ledger.schema(), source.id);
  }
  return script;
}

Result<void> require_tables(const Ledger& ledger, const SourceMove& move) {
  for (const SourceInfo& source : move.sources) {
    TRY(const auto problems, check_source(ledger, source));
    if (problems.empty()) continue;
    return operator_error(fmt::format("source {} is not to be found at {}: {}", source.name,
                                      move.to.place, problems.front()),
                          "Nothing was changed.");
  }
  return {};
}

Result<void> try_to_leave(const SourceMove& move, const Stream& stream) {
  TRY(auto now, open_source(move.to.conninfo));
  TRY(auto before, open_source(move.from_conninfo));
  TRY(const std::string here, server_of(now));
  TRY(const std::string there, server_of(before));
  return here == there ? Result<void>() : drop_objects(before, stream);
}

// A slot that nobody reads keeps all of the server's WAL. The service may take a moment to let go of it.
Result<std::string> leave_behind(const Ledger& ledger, const SourceMove& move) {
  if (!move.stream) return std::string();
  TRY(const auto stream, find_stream(ledger, *move.stream));
  if (!stream) return std::string();
  auto left = try_to_leave(move, *stream);
  for (int n = 0; n < kMostTries && !left.ok() && left.error().code == ErrorCode::kRetry; ++n) {
    std::this_thread::sleep_for(kBetweenTries);
    left = try_to_leave(move, *stream);
  }
  if (left.ok()) return std::string();
  return fmt::format(
      "replication slot {} and its publications may be left at {} ({}). Drop them there, or that "
      "server keeps its WAL for ever",
      stream->slot, move.from, left.error().message);
}

}  // namespace

Result<SourceMove> plan_move(const Ledger& ledger, const SourceInfo& source,
                             const std::string& uri) {
  if (!source.place) {
    return reject("the table of source " + source.name + " is in the ledger's own database",
                  "Where that is, pgtally is told by --database, each time.");
  }
  SourceMove move;
  TRY(const auto rows,
      ledger.query(
          "SELECT e.endpoint_id, e.conninfo FROM pgtally.source AS s JOIN pgtally.endpoint "
          "AS e USING (endpoint_id) WHERE s.source_id = $1 AND s.state <> 'removed'",
          pg::Params().int4(source.id)));
  if (rows.empty()) return reject("source " + source.name + " was removed");
  TRY(move.endpoint_id, rows.get<std::int32_t>(0, 0));
  TRY(move.from_conninfo, rows.get<std::string>(0, 1));
  move.from = *source.place;
  TRY(auto there, open_other_database(ledger, uri));
  if (!there) {
    return reject("that is the ledger's own database",
                  "A source cannot be moved into it, or out of it.");
  }
  TRY_VOID(check_source_server(*there->connection, there->endpoint.place));
  move.to = there->endpoint;
  TRY(const auto streams,
      ledger.query(
          "SELECT (SELECT stream_id FROM pgtally.stream WHERE endpoint_id = $2), EXISTS (SELECT "
          "FROM "
          "pgtally.stream JOIN pgtally.endpoint AS e USING (endpoint_id) WHERE e.conninfo = $1 AND "
          "e.endpoint_id <> $2)",
          pg::Params().text(move.to.conninfo).int4(move.endpoint_id)));
  TRY(move.stream, streams.get<std::optional<std::int32_t>>(0, 0));
  TRY(const bool has_another, streams.get<bool>(0, 1));
  if (move.stream && has_another) {
    return reject("sources of mode logical are read at " + move.to.place + " already",
                  "Those of two replication slots cannot be put together.");
  }
  TRY(const auto together,
      ledger.query("SELECT name FROM pgtally.source WHERE endpoint_id = $1 AND state <> 'removed' "
                   "ORDER BY source_id",
                   pg::Params().int4(move.endpoint_id)));
  for (std::size_t r = 0; r < together.size(); ++r) {
    TRY(const auto name, together.get<std::string>(r, 0));
    TRY(move.sources.emplace_back(), find_source(ledger, name));
  }
  return move;
}

Result<std::string> move_script(const Ledger& ledger, const SourceMove& move) {
  TRY(const std::string script, update_statements(ledger, move, false));
  return script + notice_statements(ledger, move);
}

Result<std::string> move_sources(const Ledger& ledger, const SourceMove& move) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  TRY(const std::string update, update_statements(ledger, move, true));
  TRY_VOID(ledger.connection().execute(update));
  TRY_VOID(require_tables(ledger, move));
  TRY_VOID(ledger.connection().execute(notice_statements(ledger, move)));
  const pg::CommitResult result = transaction.commit();
  if (result.outcome != pg::CommitOutcome::kCommitted) {
    return retry("whether the change was committed is not known: " + result.reason,
                 "Look with pgtally source list, and run the command again if it is not there.");
  }
  return leave_behind(ledger, move);
}

}  // namespace pgtally
