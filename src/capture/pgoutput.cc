#include "capture/pgoutput.h"

#include <algorithm>
#include <string>

#include "base/byte_io.h"
#include "postgres/field.h"

namespace pgtally::pgoutput {
namespace {

constexpr std::size_t kMostColumns = 1664;  // what PostgreSQL can put into a tuple
constexpr std::size_t kLongestName = 1024;  // of tables and columns; 63 bytes in most servers

// Which messages name their (sub)transaction inside a stream block.
bool carries_xid(std::uint8_t kind) {
  return std::string_view("MRYIUDT").find(static_cast<char>(kind)) != std::string_view::npos;
}

class Parser {
 public:
  explicit Parser(ByteView payload) : payload_(payload), in_(payload) {}

  Result<std::uint8_t> u8(const char* field) { return in_.u8(field); }
  Result<std::uint16_t> u16(const char* field) { return in_.u16(field); }
  Result<std::uint32_t> u32(const char* field) { return in_.u32(field); }
  Result<void> finish() const { return in_.finish("message"); }
  Result<ByteView> raw(std::size_t count, const char* field) { return in_.raw(count, field); }

  Result<pg::Lsn> lsn(const char* field) {
    TRY(const auto value, in_.u64(field));
    return pg::Lsn{value};
  }

  Result<Time> time() {
    TRY(const auto bytes, in_.raw(8, "commit time"));
    return pg::decode<Time>(
        pg::Field{bytes.data(), 8, pg::Type::kTimestamptz, pg::Field::Format::kBinary});
  }

  // Up to its zero byte.
  Result<std::string_view> text(const char* field, std::size_t most = SIZE_MAX) {
    const std::string_view rest = as_text(payload_.subspan(in_.offset()));
    const std::size_t size = rest.find('\0');
    if (size == std::string_view::npos || size > most) {
      return refuse(field, size == std::string_view::npos
                               ? "does not end"
                               : "has " + std::to_string(size) + " bytes, at most " +
                                     std::to_string(most) + " are allowed");
    }
    TRY_VOID(in_.raw(size + 1, field));
    return rest.substr(0, size);
  }

  Result<void> no_flags() {
    TRY(const auto flags, in_.u8("flags"));
    if (flags == 0) return {};
    return refuse("flags", "are " + std::to_string(flags) + ", 0 is all that is known");
  }

  Result<std::size_t> columns() {
    TRY(const auto count, in_.u16("number of columns"));
    if (count <= kMostColumns) return std::size_t{count};
    return refuse("number of columns", "is " + std::to_string(count));
  }

  Result<void> row(std::vector<Value>& values) {
    TRY(const auto count, columns());
    values.clear();
    for (std::size_t i = 0; i < count; ++i) {
      TRY(const auto kind, in_.u8("kind of value"));
      switch (kind) {
        case 'n':
          values.push_back({ValueKind::kNull, {}});
          break;
        case 'u':
          values.push_back({ValueKind::kUnchanged, {}});
          break;
        case 't': {
          TRY(const auto size, in_.u32("length of value"));
          TRY(const auto bytes, in_.raw(size, "value"));
          values.push_back({ValueKind::kText, as_text(bytes)});
          break;
        }
        default:
          return refuse("kind of value", "is " + std::to_string(kind) + ", not n, u or t");
      }
    }
    return {};
  }

  // Before byte offset().
  Error refuse(const std::string& field, const std::string& what) const {
    return reject(field + " before byte " + std::to_string(in_.offset()) + " " + what);
  }

 private:
  ByteView payload_;
  ByteReader in_;
};

Result<Message> parse_begin(Parser& in) {
  Begin begin;
  TRY(begin.commit_lsn, in.lsn("commit LSN"));
  TRY(begin.commit_time, in.time());
  TRY(begin.xid, in.u32("xid"));
  return Message{begin};
}

Result<Message> parse_commit(Parser& in) {
  Commit commit;
  TRY_VOID(in.no_flags());
  TRY(commit.commit_lsn, in.lsn("commit LSN"));
  TRY(commit.end_lsn, in.lsn("end LSN"));
  TRY(commit.commit_time, in.time());
  return Message{commit};
}

Result<Message> parse_origin(Parser& in) {
  Origin origin;
  TRY(origin.commit_lsn, in.lsn("commit LSN"));
  TRY(origin.name, in.text("origin"));
  return Message{origin};
}

Result<Message> parse_logical_message(Parser& in, Xid xid) {
  LogicalMessage message{.xid = xid};
  TRY(const auto flags, in.u8("flags"));
  message.transactional = (flags & 1) != 0;
  TRY(message.lsn, in.lsn("LSN"));
  TRY(message.prefix, in.text("prefix"));
  TRY(const auto size, in.u32("length of content"));
  TRY(message.content, in.raw(size, "content"));
  return Message{message};
}

Result<Message> parse_relation(Parser& in, Xid xid, std::vector<ColumnView>& columns) {
  RelationView relation{.xid = xid};
  TRY(relation.oid, in.u32("relation"));
  TRY(relation.schema, in.text("schema", kLongestName));
  if (relation.schema.empty()) relation.schema = "pg_catalog";
  TRY(relation.name, in.text("name", kLongestName));
  TRY(const auto identity, in.u8("replica identity"));
  if (std::string_view("dnfi").find(static_cast<char>(identity)) == std::string_view::npos) {
    return in.refuse("replica identity", "is " + std::to_string(identity) + ", not d, n, f or i");
  }
  relation.identity = static_cast<ReplicaIdentity>(identity);
  TRY(const auto count, in.columns());
  columns.clear();
  for (std::size_t i = 0; i < count; ++i) {
    ColumnView column;
    TRY(const auto flags, in.u8("flags of column"));
    column.key = (flags & 1) != 0;
    TRY(column.name, in.text("name of column", kLongestName));
    TRY(column.type, in.u32("type of column"));
    TRY(const auto typmod, in.u32("type modifier of column"));
    column.typmod = static_cast<std::int32_t>(typmod);
    columns.push_back(column);
  }
  relation.columns = columns;
  return Message{relation};
}

Result<Message> parse_type(Parser& in, Xid xid) {
  TypeName type{.xid = xid};
  TRY(type.oid, in.u32("type"));
  TRY(type.schema, in.text("schema", kLongestName));
  if (type.schema.empty()) type.schema = "pg_catalog";
  TRY(type.name, in.text("name", kLongestName));
  return Message{type};
}

Result<Message> parse_insert(Parser& in, Xid xid, std::vector<Value>& row) {
  Insert insert{.xid = xid};
  TRY(insert.relation, in.u32("relation"));
  TRY(const auto part, in.u8("part"));
  if (part != 'N') return in.refuse("part", "is " + std::to_string(part) + ", not N");
  TRY_VOID(in.row(row));
  insert.row = row;
  return Message{insert};
}

Result<Message> parse_update(Parser& in, Xid xid, std::vector<Value>& old_row,
                             std::vector<Value>& row) {
  Update update{.xid = xid};
  TRY(update.relation, in.u32("relation"));
  TRY(auto part, in.u8("part"));
  if (part == 'K' || part == 'O') {
    update.old_kind = part == 'K' ? OldRow::kKey : OldRow::kFull;
    TRY_VOID(in.row(old_row));
    update.old_row = old_row;
    TRY(part, in.u8("part"));
  }
  if (part != 'N') return in.refuse("part", "is " + std::to_string(part) + ", not K, O or N");
  TRY_VOID(in.row(row));
  update.row = row;
  return Message{update};
}

Result<Message> parse_delete(Parser& in, Xid xid, std::vector<Value>& old_row) {
  Delete deleted{.xid = xid};
  TRY(deleted.relation, in.u32("relation"));
  TRY(const auto part, in.u8("part"));
  if (part != 'K' && part != 'O') {
    return in.refuse("part", "is " + std::to_string(part) + ", not K or O");
  }
  deleted.old_kind = part == 'K' ? OldRow::kKey : OldRow::kFull;
  TRY_VOID(in.row(old_row));
  deleted.old_row = old_row;
  return Message{deleted};
}

Result<Message> parse_truncate(Parser& in, Xid xid, std::vector<Oid>& relations) {
  Truncate truncate{.xid = xid};
  TRY(const auto count, in.u32("number of relations"));
  TRY(const auto options, in.u8("options"));
  truncate.cascade = (options & 1) != 0;
  truncate.restart_identity = (options & 2) != 0;
  // Taken before anything is allocated for them.
  TRY(const auto bytes, in.raw(std::size_t{count} * 4, "relations"));
  ByteReader list(bytes);
  relations.clear();
  while (!list.at_end()) {
    TRY(const auto relation, list.u32("relation"));
    relations.push_back(relation);
  }
  truncate.relations = relations;
  return Message{truncate};
}

Result<Message> parse_stream_start(Parser& in) {
  StreamStart start;
  TRY(start.xid, in.u32("xid"));
  TRY(const auto first, in.u8("first segment"));
  if (first > 1) return in.refuse("first segment", "is " + std::to_string(first) + ", not 0 or 1");
  start.first = first == 1;
  return Message{start};
}

Result<Message> parse_stream_commit(Parser& in) {
  StreamCommit commit;
  TRY(commit.xid, in.u32("xid"));
  TRY_VOID(in.no_flags());
  TRY(commit.commit_lsn, in.lsn("commit LSN"));
  TRY(commit.end_lsn, in.lsn("end LSN"));
  TRY(commit.commit_time, in.time());
  return Message{commit};
}

Result<Message> parse_stream_abort(Parser& in) {
  StreamAbort abort;
  TRY(abort.xid, in.u32("xid"));
  TRY(abort.subxid, in.u32("xid of subtransaction"));
  return Message{abort};
}

// For messages: a letter, or the number of what is none.
std::string name_of(std::uint8_t kind) {
  if (kind > ' ' && kind < 0x7f) return "'" + std::string(1, static_cast<char>(kind)) + "'";
  return std::to_string(kind);
}

}  // namespace

Result<Message> Decoder::decode(ByteView payload, bool streamed) {
  if (payload.empty()) return reject("a message of pgoutput is empty");
  const std::uint8_t kind = payload[0];
  Parser in(payload);
  const auto parse = [&]() -> Result<Message> {
    TRY_VOID(in.u8("kind"));
    Xid xid = 0;
    if (streamed && carries_xid(kind)) {
      TRY(xid, in.u32("xid"));
    }
    switch (kind) {
      case 'B':
        return parse_begin(in);
      case 'C':
        return parse_commit(in);
      case 'O':
        return parse_origin(in);
      case 'M':
        return parse_logical_message(in, xid);
      case 'R':
        return parse_relation(in, xid, columns_);
      case 'Y':
        return parse_type(in, xid);
      case 'I':
        return parse_insert(in, xid, row_);
      case 'U':
        return parse_update(in, xid, old_row_, row_);
      case 'D':
        return parse_delete(in, xid, old_row_);
      case 'T':
        return parse_truncate(in, xid, relations_);
      case 'S':
        return parse_stream_start(in);
      case 'E':
        return Message{StreamStop{}};
      case 'c':
        return parse_stream_commit(in);
      case 'A':
        return parse_stream_abort(in);
      default:
        return reject("this kind is not known");
    }
  };
  auto message = parse();
  if (message.ok()) {
    auto finished = in.finish();
    if (finished.ok()) return message;
    message = std::move(finished).error();
  }
  return message.error().within("message " + name_of(kind) + " of pgoutput");
}

Result<Xid> streamed_xid(ByteView payload) {
  if (payload.empty()) return reject("a message of pgoutput is empty");
  if (!carries_xid(payload[0])) return Xid{0};
  ByteReader in(payload);
  TRY_VOID(in.u8("kind"));
  return in.u32("xid");
}

}  // namespace pgtally::pgoutput
