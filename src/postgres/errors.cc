#include "postgres/errors.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"

namespace pgtally::pg {
namespace {

constexpr std::array<std::string_view, 8> kPassing = {
    "57P01",  // admin_shutdown
    "57P02",  // crash_shutdown
    "57P03",  // cannot_connect_now
    "57P05",  // idle_session_timeout
    "25P03",  // idle_in_transaction_session_timeout
    "40001",  // serialization_failure
    "40P01",  // deadlock_detected
    kLockNotAvailable,
};

constexpr std::string_view kCancelledOnRequest = "canceling statement due to user request";

bool in_class(std::string_view sqlstate, std::string_view prefix) {
  return sqlstate.starts_with(prefix);
}

// Raised by our own SQL functions, whose messages need nothing added.
bool is_own(std::string_view sqlstate) {
  return in_class(sqlstate, "TL") && sqlstate.size() == 5;
}

std::string_view what_to_check(std::string_view sqlstate) {
  if (in_class(sqlstate, "28")) {
    return "Check the user name, the password (PGPASSWORD or ~/.pgpass) and the server's "
           "pg_hba.conf.";
  }
  if (sqlstate == "3D000") return "Check the database name, or create it with createdb.";
  if (sqlstate == "42501") return "Connect as a role that has this right, or have it granted.";
  if (sqlstate == "53300") {
    return "Raise max_connections or the role's connection limit, or close other connections.";
  }
  if (in_class(sqlstate, "53")) {
    return "The server is short of disk or memory: its log says which.";
  }
  if (in_class(sqlstate, "58")) return "The server could not use its files: its log says more.";
  if (sqlstate == "25006") {
    return "This server or session is read-only, perhaps a standby: name the primary, or add "
           "target_session_attrs=read-write to the connection string.";
  }
  return {};
}

void add_line(std::string& lines, std::string_view label, std::string_view text) {
  if (text.empty()) return;
  if (!lines.empty()) lines += '\n';
  lines.append(label).append(text);
}

// libpq breaks its messages into lines and indents them.
std::string on_one_line(std::string_view message) {
  std::string line;
  for (const char c : message) {
    const bool blank = c == '\n' || c == '\t' || c == ' ';
    if (!blank) line += c;
    if (blank && !line.empty() && line.back() != ' ') line += ' ';
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace

ErrorCode code_of(const SqlError& error) {
  const std::string_view sqlstate = error.sqlstate;
  if (is_own(sqlstate)) {
    switch (sqlstate[2]) {
      case 'R':
        return ErrorCode::kReject;
      case 'T':
        return ErrorCode::kTampered;
      case 'Y':
        return ErrorCode::kRetry;
      default:
        return ErrorCode::kOperator;
    }
  }
  // An ERROR of this kind is a statement that we sent wrongly; a FATAL one comes from poolers that
  // drop a connection.
  if (sqlstate == "08P01") {
    return error.severity == "FATAL" ? ErrorCode::kRetry : ErrorCode::kOperator;
  }
  // One SQLSTATE for timeouts and for requests; only the message tells. Where it is translated, a
  // request is taken for a timeout.
  if (sqlstate == "57014") {
    return error.message == kCancelledOnRequest ? ErrorCode::kOperator : ErrorCode::kRetry;
  }
  if (in_class(sqlstate, "08")) return ErrorCode::kRetry;
  const bool passing = std::find(kPassing.begin(), kPassing.end(), sqlstate) != kPassing.end();
  return passing ? ErrorCode::kRetry : ErrorCode::kOperator;
}

Error to_error(const SqlError& error) {
  if (is_own(error.sqlstate)) return Error{code_of(error), error.message, error.hint};
  std::string message = on_one_line(error.message);
  if (!error.sqlstate.empty()) message += " (SQLSTATE " + error.sqlstate + ")";
  std::string hint;
  add_line(hint, "", error.detail);
  add_line(hint, "", error.hint);
  add_line(hint, "", what_to_check(error.sqlstate));
  add_line(hint, "at ", error.where);
  add_line(hint, "in ", error.context);
  return Error{code_of(error), std::move(message), std::move(hint)};
}

Error connect_error(std::string_view message, std::string_view sqlstate) {
  SqlError error{.sqlstate = std::string(sqlstate), .severity = "FATAL"};
  const ErrorCode code = sqlstate.empty() ? ErrorCode::kOperator : code_of(error);
  return Error{code, "cannot connect to the database: " + on_one_line(message),
               std::string(what_to_check(sqlstate))};
}

std::string place_in_statement(std::string_view sql, std::size_t position) {
  if (position == 0) return {};
  // The server counts characters, a character starts with any byte that is not 10xxxxxx.
  const auto starts_character = [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  };
  std::size_t line = 1;
  std::size_t column = 1;
  std::size_t line_start = 0;
  std::size_t characters = 0;
  for (std::size_t i = 0; i < sql.size(); ++i) {
    if (!starts_character(sql[i])) continue;
    if (++characters == position) break;
    ++column;
    if (sql[i] == '\n') {
      ++line;
      column = 1;
      line_start = i + 1;
    }
  }
  if (characters < position) return "character " + std::to_string(position);
  const std::string_view text = sql.substr(line_start, sql.find('\n', line_start) - line_start);
  return "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " +
         quoted(text, 200);
}

}  // namespace pgtally::pg
