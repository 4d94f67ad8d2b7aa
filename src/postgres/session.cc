#include "postgres/session.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace pgtally::pg {
namespace {

constexpr std::size_t kNoticesKept = 100;

std::string text_or_empty(const char* text) {
  return text == nullptr ? std::string() : text;
}

std::string without_newlines_at_end(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

Error zero_byte() {
  return reject("an SQL statement holds a zero byte");
}

bool has_zero_byte(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

SqlError sql_error_of(const PGresult* result, const std::string& sql) {
  const auto part = [&](int code) { return text_or_empty(PQresultErrorField(result, code)); };
  SqlError error{.sqlstate = part(PG_DIAG_SQLSTATE),
                 .severity = part(PG_DIAG_SEVERITY_NONLOCALIZED),
                 .message = part(PG_DIAG_MESSAGE_PRIMARY),
                 .detail = part(PG_DIAG_MESSAGE_DETAIL),
                 .hint = part(PG_DIAG_MESSAGE_HINT),
                 .context = part(PG_DIAG_CONTEXT),
                 .where = {}};
  const std::string position = part(PG_DIAG_STATEMENT_POSITION);
  const std::string inner = part(PG_DIAG_INTERNAL_POSITION);
  if (!position.empty()) {
    error.where = place_in_statement(sql, std::strtoul(position.c_str(), nullptr, 10));
  } else if (!inner.empty()) {
    error.where =
        place_in_statement(part(PG_DIAG_INTERNAL_QUERY), std::strtoul(inner.c_str(), nullptr, 10));
  }
  if (error.message.empty()) {
    error.message = without_newlines_at_end(text_or_empty(PQresultErrorMessage(result)));
  }
  return error;
}

}  // namespace

Result<void> check_statement(const std::string& text, const Params& params) {
  if (has_zero_byte(text)) return zero_byte();
  if (params.error()) return *params.error();
  if (params.size() > Params::kMost) {
    return reject("a statement has " + std::to_string(params.size()) + " parameters, at most " +
                  std::to_string(Params::kMost) + " can be sent");
  }
  return {};
}

Session::~Session() {
  if (cancel_ != nullptr) PQfreeCancel(cancel_);
  PQfinish(handle_);
}

void Session::adopt_server_session() {
  ++incarnation_;
  PQsetNoticeReceiver(handle_, &Session::on_notice, this);
  const std::lock_guard lock(cancel_mutex_);
  if (cancel_ != nullptr) PQfreeCancel(cancel_);
  cancel_ = PQgetCancel(handle_);
}

Result<void> Session::cancel() {
  const std::lock_guard lock(cancel_mutex_);
  std::array<char, 256> reason{};
  if (cancel_ == nullptr) return retry("cannot cancel: the database connection is lost");
  if (PQcancel(cancel_, reason.data(), static_cast<int>(reason.size())) == 0) {
    return retry("cannot cancel: " + without_newlines_at_end(reason.data()));
  }
  return {};
}

Result<void> Session::send(const std::string& sql) {
  forget_last_error();
  if (has_zero_byte(sql)) return zero_byte();
  if (PQsendQuery(handle_, sql.c_str()) == 0) return fail_from_connection();
  return {};
}

Result<ResultPtr> Session::collect(const std::string& sql) {
  ResultPtr last;
  std::optional<Error> first_error;
  const auto note = [&](Error error) {
    if (!first_error) first_error = std::move(error);
  };
  while (ResultPtr result{PQgetResult(handle_)}) {
    switch (PQresultStatus(result.get())) {
      case PGRES_COMMAND_OK:
      case PGRES_TUPLES_OK:
      case PGRES_EMPTY_QUERY:
        last = std::move(result);
        break;
      case PGRES_COPY_IN:
      case PGRES_COPY_OUT:
      case PGRES_COPY_BOTH:
        note(fail(
            SqlError{.message = "COPY from or to the client was started as a plain statement"}));
        drain();
        break;
      default:
        // A lost connection is reported after what the server said before it went: keep the first.
        if (!first_error) note(fail(result.get(), sql));
    }
  }
  if (first_error) return *std::move(first_error);
  if (!last) return fail_from_connection();
  return last;
}

Result<ResultPtr> Session::run(const std::string& sql) {
  TRY_VOID(send(sql));
  return collect(sql);
}

Result<void> Session::send_extended(const std::string& text, const Params& params, bool prepared,
                                    bool binary) {
  forget_last_error();
  TRY_VOID(check_statement(text, params));
  const std::size_t count = params.size();
  std::vector<Oid> types(count);
  std::vector<const char*> values(count);
  std::vector<int> lengths(count);
  std::vector<int> formats(count);
  for (std::size_t i = 0; i < count; ++i) {
    types[i] = static_cast<Oid>(params.type(i));
    values[i] = params.value(i);
    lengths[i] = std::max(params.length(i), 0);
    formats[i] = params.is_binary(i) ? 1 : 0;
  }
  const int n = static_cast<int>(count);
  const int sent = prepared
                       ? PQsendQueryPrepared(handle_, text.c_str(), n, values.data(),
                                             lengths.data(), formats.data(), binary ? 1 : 0)
                       : PQsendQueryParams(handle_, text.c_str(), n, types.data(), values.data(),
                                           lengths.data(), formats.data(), binary ? 1 : 0);
  if (sent == 0) return fail_from_connection();
  return {};
}

Result<Rows> Session::query(const std::string& sql, const Params& params, bool binary) {
  TRY_VOID(send_extended(sql, params, false, binary));
  TRY(ResultPtr result, collect(sql));
  return Rows(result.release());
}

Result<Rows> Session::query_prepared(const std::string& name, const Params& params) {
  TRY_VOID(send_extended(name, params, true, true));
  TRY(ResultPtr result, collect({}));
  return Rows(result.release());
}

Result<void> Session::prepare(const std::string& name, const std::string& sql) {
  forget_last_error();
  if (has_zero_byte(name) || has_zero_byte(sql)) return zero_byte();
  if (PQsendPrepare(handle_, name.c_str(), sql.c_str(), 0, nullptr) == 0) {
    return fail_from_connection();
  }
  TRY_VOID(collect(sql));
  return {};
}

void Session::drain() {
  while (ResultPtr result{PQgetResult(handle_)}) {
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COPY_IN || status == PGRES_COPY_BOTH) {
      PQputCopyEnd(handle_, "the client has stopped the COPY");
    }
    if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      char* row = nullptr;
      while (PQgetCopyData(handle_, &row, 0) > 0) PQfreemem(row);
    }
  }
}

void Session::sever() {
  ::shutdown(PQsocket(handle_), SHUT_RDWR);
  while (connected() && PQconsumeInput(handle_) != 0) {
  }
}

Error Session::fail(SqlError error) {
  last_error_ = std::move(error);
  return to_error(*last_error_);
}

Error Session::fail(const PGresult* result, const std::string& sql) {
  SqlError error = sql_error_of(result, sql);
  // What libpq itself reports has no SQLSTATE; for a lost connection everybody expects class 08.
  if (error.sqlstate.empty() && !connected()) error.sqlstate = "08006";
  return fail(std::move(error));
}

Error Session::fail_from_connection() {
  SqlError error{.message = without_newlines_at_end(PQerrorMessage(handle_))};
  if (!connected()) error.sqlstate = "08006";
  if (error.message.empty()) error.message = "the server gave no answer";
  return fail(std::move(error));
}

void Session::on_notice(void* session, const PGresult* notice) {
  auto& self = *static_cast<Session*>(session);
  const auto part = [&](int code) { return text_or_empty(PQresultErrorField(notice, code)); };
  Notice seen{.severity = part(PG_DIAG_SEVERITY_NONLOCALIZED),
              .sqlstate = part(PG_DIAG_SQLSTATE),
              .message = part(PG_DIAG_MESSAGE_PRIMARY)};
  if (seen.message.empty()) {  // libpq's own remarks have no fields
    seen.severity = "WARNING";
    seen.message = without_newlines_at_end(text_or_empty(PQresultErrorMessage(notice)));
  }
  // What is graver than WARNING arrives here when the server speaks up between statements.
  if (seen.severity == "WARNING" || seen.severity == "ERROR" || seen.severity == "FATAL" ||
      seen.severity == "PANIC") {
    ++self.warnings_;
    self.last_warning_ = seen.message;
  }
  if (self.notices_.size() == kNoticesKept) self.notices_.pop_front();
  self.notices_.push_back(std::move(seen));
}

std::vector<Notice> Session::take_notices() {
  std::vector<Notice> taken(std::make_move_iterator(notices_.begin()),
                            std::make_move_iterator(notices_.end()));
  notices_.clear();
  return taken;
}

bool Session::look_alive() {
  // What waits to be read may be a notice, or the server's farewell and then the end of the stream.
  while (connected()) {
    pollfd socket{.fd = PQsocket(handle_), .events = POLLIN, .revents = 0};
    if (::poll(&socket, 1, 0) <= 0) return true;
    if (PQconsumeInput(handle_) == 0) return false;
    PQisBusy(handle_);
  }
  return false;
}

}  // namespace pgtally::pg
