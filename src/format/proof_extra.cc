#include <algorithm>

#include "base/byte_io.h"
#include "base/encoding.h"
#include "pgtally/proof_file.h"

namespace pgtally {
namespace {

constexpr std::uint8_t kExtraVersion = 1;

enum RecordType : std::uint16_t { kSalt = 1, kDefinition = 2, kRow = 3, kDefine = 4, kEarlier = 5 };

Hash as_hash(ByteView bytes) {
  Hash hash;
  std::copy(bytes.begin(), bytes.end(), hash.bytes.begin());
  return hash;
}

Result<DefineRecord> decode_define(ByteView value) {
  DefineRecord define;
  ByteReader in(value);
  TRY(const std::uint64_t index, in.u64("index of the define entry"));
  TRY(const ByteView entry, in.opaque(2, 1, kMaxProvenEntrySize, "define entry"));
  define.index = LeafIndex{index};
  define.entry.assign(entry.begin(), entry.end());
  while (!in.at_end()) {
    if (define.path.size() == kMaxPathLength) return reject("a path has too many hashes");
    TRY(const ByteView hash, in.raw(Hash::kSize, "hash of the define entry's path"));
    define.path.push_back(as_hash(hash));
  }
  return define;
}

Result<std::vector<EarlierRecord>> decode_earlier(ByteView value) {
  std::vector<EarlierRecord> records;
  ByteReader in(value);
  do {
    if (records.size() == kMaxEarlierCheckpoints) {
      return reject("more than " + std::to_string(kMaxEarlierCheckpoints) + " earlier checkpoints");
    }
    EarlierRecord& record = records.emplace_back();
    TRY(const ByteView note, in.opaque(3, 1, kMaxRecordSize, "earlier checkpoint"));
    if (!is_utf8(note)) return reject("an earlier checkpoint is not valid UTF-8");
    record.checkpoint = as_text(note);
    TRY(ByteView path, in.opaque(2, 0, kMaxPathLength * Hash::kSize, "path of a checkpoint"));
    if (path.size() % Hash::kSize != 0) return reject("a path is not made of hashes of 32 bytes");
    for (; !path.empty(); path = path.subspan(Hash::kSize)) {
      record.path.push_back(as_hash(path.first(Hash::kSize)));
    }
  } while (!in.at_end());
  return records;
}

Bytes encode_earlier(const std::vector<EarlierRecord>& records) {
  ByteWriter out;
  for (const EarlierRecord& record : records) {
    out.opaque(as_bytes(record.checkpoint), 3);
    ByteWriter path;
    for (const Hash& hash : record.path) path.raw(hash.view());
    out.opaque(path.bytes(), 2);
  }
  return std::move(out).bytes();
}

Result<void> decode_record(std::uint16_t type, ByteView value, ProofExtra& extra) {
  switch (type) {
    case kSalt:
      if (value.size() != Hash::kSize) {
        return reject("a salt has 32 bytes, not " + std::to_string(value.size()));
      }
      extra.salt = as_hash(value);
      return {};
    case kDefinition:
      if (!is_utf8(value)) return reject("not valid UTF-8");
      extra.definition = std::string(as_text(value));
      return {};
    case kRow:
      extra.row = Bytes(value.begin(), value.end());
      return {};
    case kDefine: {
      TRY(extra.define, decode_define(value));
      return {};
    }
    case kEarlier: {
      TRY(extra.earlier, decode_earlier(value));
      return {};
    }
    default:
      extra.unknown.push_back(type);
      return {};
  }
}

Result<void> put_record(ByteWriter& out, RecordType type, ByteView value) {
  if (value.size() > kMaxRecordSize) {
    return reject("record " + std::to_string(type) + " of a proof would have " +
                  std::to_string(value.size()) + " bytes, more than " +
                  std::to_string(kMaxRecordSize));
  }
  out.u16(type);
  out.opaque(value, 3);
  return {};
}

Result<void> check_entry_size(const Bytes& entry) {
  if (!entry.empty() && entry.size() <= kMaxProvenEntrySize) return {};
  return reject("an entry has 1 to 65535 bytes, this one has " + std::to_string(entry.size()));
}

}  // namespace

Result<ProofExtra> decode_extra(ByteView bytes) {
  ByteReader in(bytes);
  TRY(const std::uint8_t version, in.u8("version of extra"));
  if (version != kExtraVersion) {
    return reject("extra data of version " + std::to_string(version) + " cannot be read",
                  "A newer pgtally may know it, or another program wrote this proof.");
  }
  TRY(const ByteView entry, in.opaque(2, 1, kMaxProvenEntrySize, "entry"));
  ProofExtra extra;
  extra.entry.assign(entry.begin(), entry.end());
  int last = -1;
  while (!in.at_end()) {
    const std::size_t start = in.offset();
    const std::string where = "record at byte " + std::to_string(start) + " of extra";
    TRY(const std::uint16_t type, in.u16("record type"));
    TRY(const ByteView value, in.opaque(3, 0, kMaxRecordSize, "record value"));
    if (type <= last) {
      return reject(where + ": type " + std::to_string(type) + " does not ascend after " +
                    std::to_string(last));
    }
    last = type;
    auto decoded = decode_record(type, value, extra);
    if (!decoded.ok()) {
      return std::move(decoded).error().within(where + ", type " + std::to_string(type));
    }
  }
  return extra;
}

Result<Bytes> encode_extra(const ProofExtra& extra) {
  ByteWriter out;
  TRY_VOID(check_entry_size(extra.entry));
  out.u8(kExtraVersion);
  out.opaque(extra.entry, 2);
  if (extra.salt) TRY_VOID(put_record(out, kSalt, extra.salt->view()));
  if (extra.definition) TRY_VOID(put_record(out, kDefinition, as_bytes(*extra.definition)));
  if (extra.row) TRY_VOID(put_record(out, kRow, *extra.row));
  if (extra.define) {
    TRY_VOID(check_entry_size(extra.define->entry));
    ByteWriter define;
    define.u64(extra.define->index.value);
    define.opaque(extra.define->entry, 2);
    for (const Hash& hash : extra.define->path) define.raw(hash.view());
    TRY_VOID(put_record(out, kDefine, define.bytes()));
  }
  if (extra.earlier.size() > kMaxEarlierCheckpoints) {
    return reject("a proof has at most " + std::to_string(kMaxEarlierCheckpoints) +
                  " earlier checkpoints");
  }
  if (!extra.earlier.empty()) TRY_VOID(put_record(out, kEarlier, encode_earlier(extra.earlier)));
  return std::move(out).bytes();
}

}  // namespace pgtally
