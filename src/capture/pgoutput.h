// The messages of pgoutput, PostgreSQL's built-in logical decoding plugin, protocol version 2.
//
// Every length and count is checked against the bytes that are there; what does not fit is kReject
// and says where. Views and spans point into the payload or into the decoder: they are valid until
// its next decode(), and as long as the payload. Nothing is allocated for a value.
//
// Spec: PostgreSQL's documentation, "Logical Replication Message Formats". Pure computation.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "pgtally/result.h"
#include "pgtally/types.h"
#include "postgres/lsn.h"

namespace pgtally::pgoutput {

// A 32-bit transaction id of the server, without epoch.
using Xid = std::uint32_t;
using Oid = std::uint32_t;

enum class ValueKind : std::uint8_t {
  kNull,
  kUnchanged,  // a TOASTed value that the update left as it was and the server did not send
  kText,       // what the type's output function gave, in UTF-8 as far as the server keeps to it
};

struct Value {
  ValueKind kind = ValueKind::kNull;
  std::string_view text{};
};
using Values = std::span<const Value>;

enum class ReplicaIdentity : char { kDefault = 'd', kNothing = 'n', kFull = 'f', kIndex = 'i' };

// What is known of the row before an update or delete.
enum class OldRow : std::uint8_t {
  kNone,  // an update that changed no column of the replica identity
  kKey,   // only columns with the key flag have values, the others are kNull
  kFull,  // REPLICA IDENTITY FULL
};

struct Begin {
  pg::Lsn commit_lsn{};
  Time commit_time{};
  Xid xid = 0;
};
struct Commit {
  pg::Lsn commit_lsn{};
  pg::Lsn end_lsn{};
  Time commit_time{};
};
struct Origin {
  pg::Lsn commit_lsn{};
  std::string_view name{};
};
// What pg_logical_emit_message() was given.
struct LogicalMessage {
  Xid xid = 0;
  bool transactional = false;
  pg::Lsn lsn{};
  std::string_view prefix{};
  ByteView content{};
};

struct ColumnView {
  bool key = false;  // part of the replica identity
  std::string_view name{};
  Oid type = 0;
  std::int32_t typmod = -1;
};
struct RelationView {
  Xid xid = 0;
  Oid oid = 0;
  std::string_view schema{};
  std::string_view name{};
  ReplicaIdentity identity = ReplicaIdentity::kDefault;
  std::span<const ColumnView> columns{};
};
struct TypeName {
  Xid xid = 0;
  Oid oid = 0;
  std::string_view schema{};
  std::string_view name{};
};

struct Insert {
  Xid xid = 0;
  Oid relation = 0;
  Values row{};
};
struct Update {
  Xid xid = 0;
  Oid relation = 0;
  OldRow old_kind = OldRow::kNone;
  Values old_row{};
  Values row{};
};
struct Delete {
  Xid xid = 0;
  Oid relation = 0;
  OldRow old_kind = OldRow::kKey;
  Values old_row{};
};
struct Truncate {
  Xid xid = 0;
  bool cascade = false;
  bool restart_identity = false;
  std::span<const Oid> relations{};
};

struct StreamStart {
  Xid xid = 0;
  bool first = false;
};
struct StreamStop {};
struct StreamCommit {
  Xid xid = 0;
  pg::Lsn commit_lsn{};
  pg::Lsn end_lsn{};
  Time commit_time{};
};
// xid == subxid: the whole transaction is undone.
struct StreamAbort {
  Xid xid = 0;
  Xid subxid = 0;
};

using Message =
    std::variant<Begin, Commit, Origin, LogicalMessage, RelationView, TypeName, Insert, Update,
                 Delete, Truncate, StreamStart, StreamStop, StreamCommit, StreamAbort>;

class Decoder {
 public:
  // `streamed`: the message stands between Stream Start and Stream Stop, where Message, Relation,
  // Type, Insert, Update, Delete and Truncate carry the id of their (sub)transaction; elsewhere
  // their xid is 0.
  [[nodiscard]] Result<Message> decode(ByteView payload, bool streamed);

 private:
  std::vector<ColumnView> columns_;
  std::vector<Value> old_row_;
  std::vector<Value> row_;
  std::vector<Oid> relations_;
};

// The (sub)transaction that a message between Stream Start and Stream Stop belongs to. kReject where
// the message is too short; 0 for kinds that carry none.
[[nodiscard]] Result<Xid> streamed_xid(ByteView payload);

}  // namespace pgtally::pgoutput
