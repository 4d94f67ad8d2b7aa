// What the API and the commands print, as JSON. Times are RFC 3339, hashes base64 but for content
// hashes, which are hexadecimal as everywhere else.
#pragma once

#include <boost/json.hpp>
#include <span>

#include "http/log_head.h"
#include "ledger/status.h"
#include "pgtally/entry.h"
#include "pgtally/types.h"

namespace pgtally::http {

namespace json = boost::json;

// RFC 3339, or null for none.
[[nodiscard]] json::value json_time(Time time);
[[nodiscard]] json::array json_strings(const std::vector<std::string>& strings);
[[nodiscard]] json::array json_hashes(std::span<const Hash> hashes);

// Name, mode, state, entries, lag, late rows: what everybody may know of a source.
[[nodiscard]] json::object json_source(const SourceStatus& source);

// An entry with all its fields, and its bytes in base64. Of an unknown version, the bytes alone.
[[nodiscard]] json::object json_entry(LeafIndex id, ByteView bytes);

// Size, root and time of a head, with its note.
[[nodiscard]] json::object json_checkpoint(const LogHead& head);

}  // namespace pgtally::http
