#include "pgtally/entry.h"

#include <algorithm>
#include <cstring>

#include "base/byte_io.h"
#include "base/encoding.h"
#include "pgtally/key.h"

namespace pgtally {
namespace {

constexpr std::size_t kMaxSourceSize = 63;
constexpr std::size_t kMaxOpaqueEntrySize = 65535;

// Writes forward through memory that is known to be large enough.
class Cursor {
 public:
  explicit Cursor(std::uint8_t* at) : at_(at) {}

  void integer(std::uint64_t value, int width) {
    for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) {
      *at_++ = static_cast<std::uint8_t>(value >> shift);
    }
  }
  void raw(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
    at_ += bytes.size();
  }
  void opaque(ByteView bytes, int width) {
    integer(bytes.size(), width);
    raw(bytes);
  }
  [[nodiscard]] const std::uint8_t* at() const { return at_; }

 private:
  std::uint8_t* at_;
};

std::string in_full(Operation operation) {
  return std::to_string(static_cast<int>(operation)) + " (" + std::string(name_of(operation)) + ")";
}

Result<void> check_content_hash(Operation operation, const Hash& hash) {
  const bool zero = hash == Hash{};
  if (operation == Operation::kTruncate && !zero) {
    return reject("a truncate has no content, so its content hash is 32 zero bytes");
  }
  if (zero && operation != Operation::kTruncate && operation != Operation::kDelete) {
    return reject("a content hash of 32 zero bytes is not valid for operation " +
                  in_full(operation));
  }
  return {};
}

// Everything that makes an entry valid, for encoder and decoder alike.
Result<void> check(const EntryView& entry) {
  if (entry.operation < Operation::kInsert || entry.operation > Operation::kNotice) {
    return reject("unknown operation " + std::to_string(static_cast<int>(entry.operation)));
  }
  if (entry.sequenced_at.microseconds < 0 || entry.sequenced_at.microseconds == Time::kInfinity) {
    return reject("sequenced_at is not a time since 1970: " +
                  std::to_string(entry.sequenced_at.microseconds));
  }
  if (!is_source_name(entry.source)) {
    return reject("not a source name: " + quoted(entry.source),
                  "Names are 1 to 63 of a-z 0-9 . _ - and begin with a letter or digit.");
  }
  if (has_key(entry.operation)) {
    TRY_VOID(check_key(entry.key));
  } else if (!entry.key.empty()) {
    return reject("operation " + in_full(entry.operation) + " has no key, but there is one of " +
                  std::to_string(entry.key.size()) + " bytes");
  }
  if (entry.source_position.size() > kMaxSourcePositionSize) {
    return reject("a source position of " + std::to_string(entry.source_position.size()) +
                  " bytes is longer than " + std::to_string(kMaxSourcePositionSize));
  }
  if (!is_utf8(as_bytes(entry.source_position))) {
    return reject("the source position is not valid UTF-8: " + quoted(entry.source_position));
  }
  return check_content_hash(entry.operation, entry.content_hash);
}

}  // namespace

std::string_view name_of(Operation operation) {
  switch (operation) {
    case Operation::kInsert:
      return "insert";
    case Operation::kUpdate:
      return "update";
    case Operation::kDelete:
      return "delete";
    case Operation::kTruncate:
      return "truncate";
    case Operation::kDefine:
      return "define";
    case Operation::kNotice:
      return "notice";
  }
  return "unknown";
}

bool is_source_name(std::string_view name) {
  const auto is_alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  };
  if (name.empty() || name.size() > kMaxSourceSize || !is_alphanumeric(name[0])) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
  });
}

Entry::operator EntryView() const {
  return {operation, definition, ordinal,         sequenced_at, source_time,
          source,    key,        source_position, content_hash};
}

void Entry::assign(const EntryView& view) {
  operation = view.operation;
  definition = view.definition;
  ordinal = view.ordinal;
  sequenced_at = view.sequenced_at;
  source_time = view.source_time;
  source = view.source;
  key.assign(view.key.begin(), view.key.end());
  source_position = view.source_position;
  content_hash = view.content_hash;
}

Result<ByteView> encode_into(const EntryView& entry, EntryBuffer& buffer) {
  TRY_VOID(check(entry));
  Cursor out(buffer.data());
  out.integer(kEntryVersion, 1);
  out.integer(static_cast<std::uint8_t>(entry.operation), 1);
  out.integer(entry.definition, 4);
  out.integer(entry.ordinal, 8);
  out.integer(static_cast<std::uint64_t>(entry.sequenced_at.microseconds), 8);
  out.integer(static_cast<std::uint64_t>(entry.source_time.microseconds), 8);
  out.opaque(as_bytes(entry.source), 1);
  out.opaque(entry.key, 2);
  out.opaque(as_bytes(entry.source_position), 1);
  out.raw(entry.content_hash.view());
  return ByteView(buffer.data(), out.at());
}

Result<Bytes> encode(const Entry& entry) {
  EntryBuffer buffer;
  TRY(const ByteView bytes, encode_into(entry, buffer));
  return Bytes(bytes.begin(), bytes.end());
}

Result<std::uint8_t> entry_version(ByteView bytes) {
  if (bytes.empty()) return reject("an entry has at least one byte, its version");
  if (bytes.size() > kMaxOpaqueEntrySize) {
    return reject("an entry of " + std::to_string(bytes.size()) + " bytes is longer than " +
                  std::to_string(kMaxOpaqueEntrySize));
  }
  return bytes[0];
}

Result<EntryView> decode_entry_view(ByteView bytes) {
  TRY(const std::uint8_t version, entry_version(bytes));
  if (version != kEntryVersion) {
    return reject("an entry of version " + std::to_string(version) + " cannot be read",
                  "A newer pgtally may know it. Its place in the log can be proved all the same.");
  }
  ByteReader in(bytes.subspan(1));
  EntryView entry;
  TRY(const std::uint8_t operation, in.u8("operation"));
  entry.operation = static_cast<Operation>(operation);
  TRY(entry.definition, in.u32("definition"));
  TRY(entry.ordinal, in.u64("ordinal"));
  // Above 2^63-1 it turns negative here, and check() refuses it.
  TRY(const std::uint64_t sequenced_at, in.u64("sequenced_at"));
  entry.sequenced_at = Time{static_cast<std::int64_t>(sequenced_at)};
  TRY(const std::uint64_t source_time, in.u64("source_time"));
  entry.source_time = Time{static_cast<std::int64_t>(source_time)};
  TRY(const ByteView source, in.opaque(1, 1, kMaxSourceSize, "source"));
  entry.source = as_text(source);
  TRY(entry.key, in.opaque(2, 0, kMaxKeySize, "key"));
  TRY(const ByteView position, in.opaque(1, 0, kMaxSourcePositionSize, "source_position"));
  entry.source_position = as_text(position);
  TRY(const ByteView content_hash, in.raw(Hash::kSize, "content_hash"));
  TRY_VOID(in.finish("entry"));
  std::copy(content_hash.begin(), content_hash.end(), entry.content_hash.bytes.begin());
  TRY_VOID(check(entry));
  return entry;
}

EntryView view_of_encoded(ByteView bytes) {
  const std::uint8_t* at = bytes.data() + 1;
  const auto integer = [&](int width) {
    std::uint64_t value = 0;
    for (int i = 0; i < width; ++i) value = value << 8 | *at++;
    return value;
  };
  const auto opaque = [&](int width) {
    const std::uint64_t size = integer(width);
    const ByteView taken(at, size);
    at += size;
    return taken;
  };
  EntryView entry;
  entry.operation = static_cast<Operation>(integer(1));
  entry.definition = static_cast<std::uint32_t>(integer(4));
  entry.ordinal = integer(8);
  entry.sequenced_at = Time{static_cast<std::int64_t>(integer(8))};
  entry.source_time = Time{static_cast<std::int64_t>(integer(8))};
  entry.source = as_text(opaque(1));
  entry.key = opaque(2);
  entry.source_position = as_text(opaque(1));
  std::copy_n(at, Hash::kSize, entry.content_hash.bytes.begin());
  return entry;
}

Result<Entry> decode_entry(ByteView bytes) {
  TRY(const EntryView view, decode_entry_view(bytes));
  Entry entry;
  entry.assign(view);
  return entry;
}

}  // namespace pgtally
