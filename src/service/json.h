// JSON that commands print and the server answers alike: Boost.JSON, whose objects keep their members
// in the order in which they were written. Times are RFC 3339.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ledger/status.h"
#include "pgtally/types.h"

namespace pgtally {

namespace json = boost::json;

// Null for no time.
[[nodiscard]] json::value json_time(Time time);
[[nodiscard]] json::array json_strings(const std::vector<std::string>& strings);

// Name, mode, state, entries, lag, late rows: what everybody may know of a source.
[[nodiscard]] json::object json_source(const SourceStatus& source);

// The newest checkpoint that is witnessed, and whether there is a newer one; null if none is.
[[nodiscard]] json::value json_witnessed(const std::optional<StoredCheckpoint>& witnessed,
                                         TreeSize newest);

}  // namespace pgtally
