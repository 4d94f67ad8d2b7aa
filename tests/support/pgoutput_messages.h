// Messages of pgoutput, written by hand after PostgreSQL's documentation, for tests of what reads
// them. An xid of 0 leaves the field out, as outside of stream blocks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/byte_io.h"

namespace pgtally::test {

struct MessageColumn {
  std::string name;
  bool key = false;
  std::uint32_t type = 25;
};

// A value is its text, kNull or kUnchanged.
inline constexpr const char* kNull = nullptr;
inline constexpr const char* kUnchanged = "\1unchanged";
using MessageRow = std::vector<const char*>;

class MessageWriter {
 public:
  explicit MessageWriter(char kind, std::uint32_t xid = 0) {
    out_.u8(static_cast<std::uint8_t>(kind));
    if (xid != 0) out_.u32(xid);
  }
  MessageWriter& u8(std::uint8_t value) { return out_.u8(value), *this; }
  MessageWriter& u16(std::uint16_t value) { return out_.u16(value), *this; }
  MessageWriter& u32(std::uint32_t value) { return out_.u32(value), *this; }
  MessageWriter& u64(std::uint64_t value) { return out_.u64(value), *this; }
  MessageWriter& letter(char value) { return u8(static_cast<std::uint8_t>(value)); }
  MessageWriter& raw(std::string_view bytes) { return out_.raw(bytes), *this; }
  MessageWriter& text(std::string_view value) { return raw(value).u8(0); }
  MessageWriter& row(const MessageRow& values) {
    u16(static_cast<std::uint16_t>(values.size()));
    for (const char* value : values) {
      if (value == nullptr) {
        letter('n');
      } else if (std::string_view(value) == kUnchanged) {
        letter('u');
      } else {
        letter('t').u32(static_cast<std::uint32_t>(std::string_view(value).size())).raw(value);
      }
    }
    return *this;
  }
  [[nodiscard]] Bytes bytes() const { return out_.bytes(); }

 private:
  ByteWriter out_;
};

// Times are given as PostgreSQL sends them: microseconds since 2000.
inline Bytes begin_message(std::uint64_t commit_lsn, std::uint32_t xid, std::uint64_t time = 0) {
  return MessageWriter('B').u64(commit_lsn).u64(time).u32(xid).bytes();
}
inline Bytes commit_message(std::uint64_t commit_lsn, std::uint64_t end_lsn) {
  return MessageWriter('C').u8(0).u64(commit_lsn).u64(end_lsn).u64(0).bytes();
}
inline Bytes relation_message(std::uint32_t oid, const std::string& name,
                              const std::vector<MessageColumn>& columns, std::uint32_t xid = 0,
                              char identity = 'd') {
  MessageWriter out('R', xid);
  out.u32(oid).text("public").text(name).letter(identity);
  out.u16(static_cast<std::uint16_t>(columns.size()));
  for (const auto& column : columns) {
    out.u8(column.key ? 1 : 0).text(column.name).u32(column.type).u32(0xffffffff);
  }
  return out.bytes();
}
inline Bytes insert_message(std::uint32_t oid, const MessageRow& row, std::uint32_t xid = 0) {
  return MessageWriter('I', xid).u32(oid).letter('N').row(row).bytes();
}
// `old_kind` is K, O or 0 for none.
inline Bytes update_message(std::uint32_t oid, char old_kind, const MessageRow& old_row,
                            const MessageRow& row, std::uint32_t xid = 0) {
  MessageWriter out('U', xid);
  out.u32(oid);
  if (old_kind != 0) out.letter(old_kind).row(old_row);
  return out.letter('N').row(row).bytes();
}
inline Bytes delete_message(std::uint32_t oid, char old_kind, const MessageRow& old_row,
                            std::uint32_t xid = 0) {
  return MessageWriter('D', xid).u32(oid).letter(old_kind).row(old_row).bytes();
}
inline Bytes truncate_message(const std::vector<std::uint32_t>& oids, std::uint8_t options = 0,
                              std::uint32_t xid = 0) {
  MessageWriter out('T', xid);
  out.u32(static_cast<std::uint32_t>(oids.size())).u8(options);
  for (const auto oid : oids) out.u32(oid);
  return out.bytes();
}
inline Bytes stream_start_message(std::uint32_t xid, bool first) {
  return MessageWriter('S').u32(xid).u8(first ? 1 : 0).bytes();
}
inline Bytes stream_stop_message() {
  return MessageWriter('E').bytes();
}
inline Bytes stream_commit_message(std::uint32_t xid, std::uint64_t commit_lsn,
                                   std::uint64_t end_lsn) {
  return MessageWriter('c').u32(xid).u8(0).u64(commit_lsn).u64(end_lsn).u64(0).bytes();
}
inline Bytes stream_abort_message(std::uint32_t xid, std::uint32_t subxid) {
  return MessageWriter('A').u32(xid).u32(subxid).bytes();
}

}  // namespace pgtally::test
