// Hexadecimal, base64 and UTF-8: the text forms in which hashes, keys and notes travel.
#pragma once

#include <string>
#include <string_view>

#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// Lower case.
[[nodiscard]] std::string to_hex(ByteView bytes);
// Takes either case, refuses anything else.
[[nodiscard]] Result<Bytes> from_hex(std::string_view text);

// The standard alphabet with padding. Spec: RFC 4648 section 4.
[[nodiscard]] std::string to_base64(ByteView bytes);
// Canonical only: padding must be there and unused bits must be zero, so that every value has
// exactly one text.
[[nodiscard]] Result<Bytes> from_base64(std::string_view text);

// The same for what must be exactly one hash.
[[nodiscard]] Result<Hash> hash_from_base64(std::string_view text);
[[nodiscard]] Result<Hash> hash_from_hex(std::string_view text);

// Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. Spec: RFC 3629.
[[nodiscard]] bool is_utf8(ByteView bytes);

// A number as canonical decimal: no sign, no leading zero, no more than 2^64-1.
[[nodiscard]] Result<std::uint64_t> parse_decimal(std::string_view text);

// Makes bytes fit to be shown inside a message: not printable ones become \xNN, long ones are cut.
[[nodiscard]] std::string quoted(std::string_view text, std::size_t most = 60);

}  // namespace pgtally
