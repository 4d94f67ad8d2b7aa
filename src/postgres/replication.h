// A session with a WAL sender: makes slots, and streams what pgoutput makes of the changes.
//
// Invariants
//   - client_encoding is UTF8, and the settings that the text of values depends on are pinned (see
//     output_settings.h): pgoutput calls the output functions in this very session;
//   - nothing is confirmed to the server but what send_status() was given;
//   - received messages are handed out one at a time. Memory: libpq's copy of one message twice,
//     and PostgreSQL makes none of 1 GiB or more.
//
// After start(), which works once, and until stop(), only receive(), send_status() and keep_alive() may be called.
// After an error of any of these, and after any lost connection, nothing works any more: open a new
// one. Used by one thread at a time.
//
// Spec: PostgreSQL's documentation, "Streaming Replication Protocol".
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"
#include "postgres/connection.h"
#include "postgres/lsn.h"

namespace pgtally::pg {

// The answer to IDENTIFY_SYSTEM. `position` is how far the server's log is flushed.
struct SystemIdentity {
  std::string system_identifier;
  std::uint32_t timeline = 0;
  Lsn position;
  std::string database;
};

enum class SlotSnapshot {
  kNone,    // no snapshot is wanted
  kExport,  // for other sessions' SET TRANSACTION SNAPSHOT, until the next call on this one
  kUse,     // this session's transaction, which run("BEGIN …") opened, reads by it
};

struct SlotRequest {
  std::string name;        // 1 to 63 of a-z, 0-9 and _
  bool temporary = false;  // gone with this session
  SlotSnapshot snapshot = SlotSnapshot::kNone;
  // The server first waits for all transactions that are running, in all databases of the cluster.
  std::chrono::milliseconds timeout{60'000};
  std::function<bool()> cancelled{};  // asked some ten times a second; may be empty
};

struct CreatedSlot {
  Lsn consistent_point;  // transactions that commit at or after this come through the slot
  std::string snapshot;  // for kExport
};

struct StreamRequest {
  std::string slot;
  Lsn from{};  // 0/0, or anything before what the slot has confirmed: from there
  std::vector<std::string> publications{};
  // Large transactions come in pieces before they commit. Otherwise the server keeps them, on its disk.
  bool in_progress = true;
};

// A piece of the stream: one message of pgoutput. `payload` is valid until the next call.
struct XLogData {
  Lsn start;
  Lsn end;
  Time sent;
  ByteView payload;
};

// The server has sent everything up to `end`. Where it asks for a reply, it was given one. A server
// that shuts down asks again and again, and waits until `flushed` has reached `end`.
struct Keepalive {
  Lsn end;
  Time sent;
  bool reply_requested = false;
};

// std::monostate: nothing came in time.
using Received = std::variant<std::monostate, XLogData, Keepalive>;

// What the client has. The slot advances to `flushed`, and never gives again what lies before it:
// only what is durable may be named there. 0/0 leaves the slot where it is.
struct StreamStatus {
  Lsn written{};
  Lsn flushed{};
  Lsn applied{};
};

class Replication {
 public:
  // `conninfo` as for Connection::open, without `replication`. Needs the REPLICATION right.
  [[nodiscard]] static Result<Replication> open(const std::string& conninfo,
                                                const ConnectOptions& options = {});

  [[nodiscard]] Result<SystemIdentity> identify();

  // Makes a logical slot for pgoutput. When it takes too long (kRetry) or `cancelled` says so
  // (kOperator), the creating is stopped and nothing is left behind. After a lost connection
  // the slot may be there: drop_slot() before the next attempt.
  [[nodiscard]] Result<CreatedSlot> create_slot(const SlotRequest& request);

  // Drops the slot; none of that name is fine too. kRetry where another session streams from it.
  [[nodiscard]] Result<void> drop_slot(const std::string& name);

  // SQL by the simple protocol (a WAL sender knows no other), values as text.
  [[nodiscard]] Result<Rows> run(const std::string& sql);

  // START_REPLICATION with protocol version 2, large transactions streamed before they commit. A
  // slot that somebody else uses is kRetry, as it may be our own session of before, which the
  // server still believes in. A slot that is missing (last_sqlstate() 42704) or was invalidated
  // (55000) is kOperator.
  [[nodiscard]] Result<void> start(const StreamRequest& request);

  // The next message; waits at most `timeout` for it, zero looks only at what is there. Answers the
  // server's questions, and reports by itself what send_status() said last, at least every
  // kStatusInterval. A stream that the server ended (it shuts down) is kRetry.
  [[nodiscard]] Result<Received> receive(std::chrono::milliseconds timeout);

  // Tells the server what the client has. May go out while received messages are still in work.
  [[nodiscard]] Result<void> send_status(const StreamStatus& status);

  // Repeats the last status if kStatusInterval has passed, and asks for a Keepalive. Call it every few seconds while work
  // keeps you from receive(): the server hangs up after wal_sender_timeout without a word.
  [[nodiscard]] Result<void> keep_alive();

  // Ends the stream, dropping what was still on its way, and leaves a session that takes commands
  // again, but streams no second time: PostgreSQL's logical WAL senders would end that at once. After
  // `timeout` (kRetry) the session is ended instead, as the server sends a transaction that it has
  // begun to send to its end.
  [[nodiscard]] Result<void> stop(std::chrono::milliseconds timeout);

  static constexpr std::chrono::seconds kStatusInterval{10};

  // As Connection has them.
  [[nodiscard]] const std::optional<SqlError>& last_error() const {
    return connection_.last_error();
  }
  [[nodiscard]] std::string_view last_sqlstate() const { return connection_.last_sqlstate(); }
  [[nodiscard]] std::vector<Notice> notices() { return connection_.notices(); }
  [[nodiscard]] int server_version() const { return connection_.server_version(); }
  [[nodiscard]] int backend_pid() const { return connection_.backend_pid(); }

 private:
  struct FreeMessage {
    void operator()(char* message) const;
  };
  explicit Replication(Connection connection) : connection_(std::move(connection)) {}

  [[nodiscard]] Session& session() { return connection_.session(); }
  [[nodiscard]] Result<void> send_status(const StreamStatus& status, bool asks_for_answer);
  // The next message of the stream into message_, or false where none came by `deadline`.
  [[nodiscard]] Result<bool> await_message(std::chrono::steady_clock::time_point deadline);
  [[nodiscard]] Result<Received> parse(ByteView message);
  [[nodiscard]] Error ended_by_server();
  [[nodiscard]] Error lost();

  Connection connection_;
  std::unique_ptr<char, FreeMessage> message_;  // libpq's; what the last XLogData views
  std::size_t message_size_ = 0;
  bool streaming_ = false;
  bool has_streamed_ = false;
  StreamStatus status_;
  std::chrono::steady_clock::time_point status_sent_;
};

}  // namespace pgtally::pg
