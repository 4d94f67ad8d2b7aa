// Which entry a request means, and in which form it wants the answer.
#pragma once

#include <vector>

#include "http/log_context.h"
#include "ledger/token.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally::http {

// ?source=S&key=K (a `key` for each column, or column=value): the entries of the row below the head,
// the newest first, LogLimits::entries_listed at most. Empty if there are none, or no such source.
[[nodiscard]] Result<std::vector<LeafIndex>> find_by_key(const LogContext& context,
                                                         const LogHead& head, const Call& call);

// ?id=N, or the newest of find_by_key(). Nothing if there is none below the head.
[[nodiscard]] Result<std::optional<LeafIndex>> find_one(const LogContext& context,
                                                        const LogHead& head, const Call& call);

// What stands behind "Bearer"; empty if there is no such thing.
[[nodiscard]] std::string shown_token(const Request& request);

// The token that the request shows; nothing if it shows none, or one that is not valid.
[[nodiscard]] Result<std::optional<Token>> token_of(const Ledger& ledger, const Request& request);

// 401, 403 or 429 with what goes with it.
[[nodiscard]] Response refused(unsigned status, std::string_view detail);

// Whether the Accept field asks for JSON rather than for text.
[[nodiscard]] bool wants_json(const Request& request);

}  // namespace pgtally::http
