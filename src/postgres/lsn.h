// A place in a server's write-ahead log: what PostgreSQL's pg_lsn holds.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "pgtally/result.h"

namespace pgtally::pg {

// 0/0 is no place: where the protocol takes it, it means "not known".
struct Lsn {
  std::uint64_t value = 0;
  auto operator<=>(const Lsn&) const = default;
};

// "0/16B3748", as PostgreSQL prints it: two halves in upper-case hex, without leading zeros.
[[nodiscard]] std::string to_string(Lsn lsn);
// Takes what PostgreSQL's input function takes: lower case and leading zeros too.
[[nodiscard]] Result<Lsn> parse_lsn(std::string_view text);

}  // namespace pgtally::pg
