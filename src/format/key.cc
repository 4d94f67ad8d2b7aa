#include "pgtally/key.h"

#include "base/byte_io.h"
#include "base/encoding.h"
#include "crypto/sha256.h"

namespace pgtally {
namespace {

constexpr std::size_t kPrefixLimit = 0xffff;  // as a length it marks a hash
constexpr std::size_t kHashedKeySize = 2 + Hash::kSize;

bool is_hashed(ByteView key) {
  return key.size() >= 2 && key[0] == 0xff && key[1] == 0xff;
}

void put_prefixed(Bytes& out, std::size_t prefix, ByteView bytes) {
  out.push_back(static_cast<std::uint8_t>(prefix >> 8));
  out.push_back(static_cast<std::uint8_t>(prefix));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void put_hash(Bytes& out, ByteView bytes) {
  put_prefixed(out, kPrefixLimit, sha256(bytes).view());
}

template <typename Column>
Result<void> encode_columns(std::span<const Column> columns, Bytes& out) {
  if (columns.empty()) return reject("a key has at least one column");
  out.clear();
  bool fits = true;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const ByteView column = as_bytes(columns[i]);
    if (!is_utf8(column)) {
      return reject("key column " + std::to_string(i + 1) +
                    " is not valid UTF-8: " + quoted(columns[i]));
    }
    fits = fits && column.size() <= kMaxKeyColumnSize;
    if (column.size() >= kPrefixLimit) {
      put_hash(out, column);
    } else {
      put_prefixed(out, column.size(), column);
    }
  }
  if (fits && out.size() <= kMaxKeySize) return {};
  Bytes hashed;
  put_hash(hashed, out);
  out = std::move(hashed);
  return {};
}

// Calls `column` with each column of a key that is not hashed.
template <typename Visitor>
Result<void> walk(ByteView key, Visitor column) {
  if (key.empty()) return reject("a key has at least one column");
  if (key.size() > kMaxKeySize) {
    return reject("a key of " + std::to_string(key.size()) + " bytes is longer than " +
                  std::to_string(kMaxKeySize));
  }
  ByteReader in(key);
  while (!in.at_end()) {
    TRY(const ByteView text, in.opaque(2, 0, kMaxKeyColumnSize, "key column"));
    if (!is_utf8(text)) {
      return reject("the key column that ends at byte " + std::to_string(in.offset()) +
                    " is not valid UTF-8");
    }
    column(text);
  }
  return {};
}

Result<void> check_hashed(ByteView key) {
  if (key.size() == kHashedKeySize) return {};
  return reject("a hashed key has " + std::to_string(kHashedKeySize) + " bytes, this one has " +
                std::to_string(key.size()));
}

}  // namespace

Result<Bytes> encode_key(std::span<const std::string_view> columns) {
  Bytes key;
  TRY_VOID(encode_columns(columns, key));
  return key;
}

Result<Bytes> encode_key(std::span<const std::string> columns) {
  Bytes key;
  TRY_VOID(encode_columns(columns, key));
  return key;
}

Result<void> encode_key_into(std::span<const std::string_view> columns, Bytes& key) {
  return encode_columns(columns, key);
}

Result<DecodedKey> decode_key(ByteView key) {
  DecodedKey decoded;
  if (is_hashed(key)) {
    TRY_VOID(check_hashed(key));
    decoded.hashed = true;
    return decoded;
  }
  TRY_VOID(walk(key, [&](ByteView column) { decoded.columns.emplace_back(as_text(column)); }));
  return decoded;
}

Result<void> check_key(ByteView key) {
  if (is_hashed(key)) return check_hashed(key);
  return walk(key, [](ByteView) {});
}

}  // namespace pgtally
