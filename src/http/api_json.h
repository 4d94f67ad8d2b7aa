// What only the API says, as JSON. Hashes are base64 but for content hashes, which are hexadecimal as
// everywhere else.
#pragma once

#include <span>

#include "http/log_head.h"
#include "pgtally/entry.h"
#include "pgtally/types.h"
#include "service/json.h"

namespace pgtally::http {

[[nodiscard]] json::array json_hashes(std::span<const Hash> hashes);

// An entry with all its fields, and its bytes in base64. Of an unknown version, the bytes alone.
[[nodiscard]] json::object json_entry(LeafIndex id, ByteView bytes);

// Size, root and time of a head, with its note.
[[nodiscard]] json::object json_checkpoint(const LogHead& head);

}  // namespace pgtally::http
