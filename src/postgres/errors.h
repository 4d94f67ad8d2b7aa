// What PostgreSQL said went wrong, and what that means for the caller.
//
//   retry     class 08 (connection), 57P01-57P03 and 57P05 (shutdown, crash, starting, idle),
//             25P03, 40001, 40P01, 55P03 (locks), 57014 unless somebody asked for the cancelling
//   operator  everything else, with what to look at for 28, 3D000, 42501, 53, 58, 25006
//   class TL  raised by pgtally's own SQL functions, message and hint shown as they are:
//             TLR = reject, TLT = tampered, TLO = operator, TLY = retry
//
// 08P01 (protocol violation) is retry only where it ended the connection; otherwise this program
// sent something wrong, and sending it again cannot help.
#pragma once

#include <string>
#include <string_view>

#include "pgtally/result.h"

namespace pgtally::pg {

// SQLSTATE of a lock that did not come in time.
inline constexpr std::string_view kLockNotAvailable = "55P03";

// `sqlstate` is empty for what libpq itself refused. `severity` is not translated: ERROR, FATAL, ….
// `where` is the place in the statement, as `line 2, column 8: "SELECT x"`; empty if not known.
struct SqlError {
  std::string sqlstate{};
  std::string severity{};
  std::string message{};
  std::string detail{};
  std::string hint{};
  std::string context{};
  std::string where{};
};

[[nodiscard]] ErrorCode code_of(const SqlError& error);
[[nodiscard]] Error to_error(const SqlError& error);

// A connection that could not be made: operator, naming the settings to check, unless the SQLSTATE
// (may be empty) says that the server will be back.
[[nodiscard]] Error connect_error(std::string_view message, std::string_view sqlstate);

// `line L, column C: "…"` for a position counted in characters from 1, as PostgreSQL reports it.
[[nodiscard]] std::string place_in_statement(std::string_view sql, std::size_t position);

}  // namespace pgtally::pg
