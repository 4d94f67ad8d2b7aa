#include "base/encoding.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace pgtally {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNoDigit = 0xff;

constexpr std::array<std::uint8_t, 256> reverse_of(std::string_view digits) {
  std::array<std::uint8_t, 256> table{};
  table.fill(kNoDigit);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    table[static_cast<std::uint8_t>(digits[i])] = static_cast<std::uint8_t>(i);
  }
  return table;
}

constexpr auto kBase64Values = reverse_of(kBase64Digits);

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// How long the well-formed UTF-8 sequence at `at` is; 0 if there is none.
std::size_t utf8_length_at(ByteView bytes, std::size_t at) {
  const std::uint8_t lead = bytes[at];
  if (lead < 0x80) return 1;
  const std::size_t length = lead < 0xc2   ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length == 0 || at + length > bytes.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((bytes[at + i] & 0xc0) != 0x80) return 0;
  }
  const std::uint8_t second = bytes[at + 1];
  if (lead == 0xe0 && second < 0xa0) return 0;  // overlong
  if (lead == 0xed && second > 0x9f) return 0;  // surrogate
  if (lead == 0xf0 && second < 0x90) return 0;  // overlong
  if (lead == 0xf4 && second > 0x8f) return 0;  // above U+10FFFF
  return length;
}

Result<Hash> as_hash(Result<Bytes> bytes) {
  TRY(auto value, std::move(bytes));
  if (value.size() != Hash::kSize) {
    return reject("a hash has 32 bytes, this one has " + std::to_string(value.size()));
  }
  Hash hash;
  std::copy(value.begin(), value.end(), hash.bytes.begin());
  return hash;
}

}  // namespace

std::string to_hex(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kHexDigits[byte >> 4];
    text += kHexDigits[byte & 15];
  }
  return text;
}

Result<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return reject("hexadecimal text has an odd number of digits");
  Bytes bytes(text.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      return reject("not a hexadecimal digit near position " + std::to_string(2 * i));
    }
    bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return bytes;
}

std::string to_base64(ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    std::uint32_t group = std::uint32_t{bytes[i]} << 16;
    if (left > 1) group |= std::uint32_t{bytes[i + 1]} << 8;
    if (left > 2) group |= bytes[i + 2];
    text += kBase64Digits[group >> 18];
    text += kBase64Digits[(group >> 12) & 63];
    text += left > 1 ? kBase64Digits[(group >> 6) & 63] : '=';
    text += left > 2 ? kBase64Digits[group & 63] : '=';
  }
  return text;
}

Result<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return reject("base64 text has a length that is not a multiple of 4");
  std::size_t padding = 0;
  if (text.ends_with("==")) {
    padding = 2;
  } else if (text.ends_with('=')) {
    padding = 1;
  }
  const std::size_t digits = text.size() - padding;
  Bytes bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    const std::uint8_t value = kBase64Values[static_cast<std::uint8_t>(text[i])];
    if (value == kNoDigit) return reject("not a base64 digit at position " + std::to_string(i));
    group = (group << 6) | value;
    if (i % 4 == 3) {
      bytes.push_back(static_cast<std::uint8_t>(group >> 16));
      bytes.push_back(static_cast<std::uint8_t>(group >> 8));
      bytes.push_back(static_cast<std::uint8_t>(group));
      group = 0;
    }
  }
  if (padding == 1) {
    if ((group & 0x3) != 0) return reject("base64 text is not canonical: unused bits are set");
    bytes.push_back(static_cast<std::uint8_t>(group >> 10));
    bytes.push_back(static_cast<std::uint8_t>(group >> 2));
  } else if (padding == 2) {
    if ((group & 0xf) != 0) return reject("base64 text is not canonical: unused bits are set");
    bytes.push_back(static_cast<std::uint8_t>(group >> 4));
  }
  return bytes;
}

Result<Hash> hash_from_base64(std::string_view text) {
  return as_hash(from_base64(text));
}

Result<Hash> hash_from_hex(std::string_view text) {
  return as_hash(from_hex(text));
}

bool is_utf8(ByteView bytes) {
  std::size_t at = 0;
  // Most text is ASCII, of which eight bytes are looked at together.
  constexpr std::uint64_t kBeyondAscii = 0x8080808080808080;
  while (at < bytes.size()) {
    std::uint64_t eight = 0;
    if (bytes.size() - at >= sizeof eight) {
      std::memcpy(&eight, bytes.data() + at, sizeof eight);
      if ((eight & kBeyondAscii) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    const std::size_t length = utf8_length_at(bytes, at);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

Result<std::uint64_t> parse_decimal(std::string_view text) {
  if (text.empty()) return reject("a number is missing");
  if (text.size() > 1 && text[0] == '0') return reject("a number has a leading zero");
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return reject("not a decimal number: " + quoted(text));
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (UINT64_MAX - digit) / 10)
      return reject("the number is beyond 2^64-1: " + quoted(text));
    value = value * 10 + digit;
  }
  return value;
}

std::string quoted(std::string_view text, std::size_t most) {
  std::string shown = "\"";
  for (const char c : text.substr(0, most)) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte < 0x20 || byte == 0x7f || c == '"' || c == '\\') {
      shown += "\\x";
      shown += kHexDigits[byte >> 4];
      shown += kHexDigits[byte & 15];
    } else {
      shown += c;
    }
  }
  shown += text.size() > most ? "…\"" : "\"";
  return shown;
}

}  // namespace pgtally
