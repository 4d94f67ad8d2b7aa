#include "http/log_context.h"

#include <algorithm>

#include "base/encoding.h"
#include "service/log.h"

namespace pgtally::http {

LogContext::LogContext(const std::string& conninfo, const std::string& schema,
                       const LogLimits& own_limits, const Pulse* loop, const Waker* loop_waker)
    : limits(own_limits),
      pulse(loop),
      waker(loop_waker),
      tree(limits.cache_bytes),
      sessions(conninfo, schema, limits.workers),
      appender(*this),
      workers(limits.workers, limits.queue),
      watch(
          conninfo, schema, limits.patience, revealed,
          [this](const LogHeadPtr& head) { publish_head(*events, *head); },
          [this] { appender.look(); }) {}

const std::string* Call::parameter(std::string_view name) const {
  const auto it = std::ranges::find(parameters, name, &Parameters::value_type::first);
  return it == parameters.end() ? nullptr : &it->second;
}

Result<std::uint64_t> Call::number(std::string_view name) const {
  const std::string* text = parameter(name);
  if (text == nullptr) return reject("the parameter " + std::string(name) + " is missing");
  auto value = parse_decimal(*text);
  if (!value.ok()) return value.error().within(std::string(name));
  return value;
}

Result<void> Call::allow(std::initializer_list<std::string_view> names) const {
  for (const auto& [name, value] : parameters) {
    if (std::ranges::find(names, name) == names.end()) {
      return reject("there is no parameter " + quoted(name) + " here");
    }
    if (name != "key" && std::ranges::count(parameters, name, &Parameters::value_type::first) > 1) {
      return reject("the parameter " + name + " is given more than once");
    }
  }
  return {};
}

Result<const Ledger*> Call::database() const {
  if (ledger == nullptr) return retry("this has to be asked of the database");
  return ledger;
}

Result<LogHeadPtr> head_of(LogContext& context) {
  LogHeadPtr head = context.revealed.head();
  if (!head && !context.revealed.has_looked()) {
    return retry("the newest checkpoint has not been read yet");
  }
  return head;
}

Response response_to(const Error& error) {
  std::string detail = error.message;
  if (!error.hint.empty() && error.code == ErrorCode::kReject) detail += "\n" + error.hint;
  Response response;
  switch (error.code) {
    case ErrorCode::kReject:
      response = problem(400, reason_phrase(400), detail);
      break;
    case ErrorCode::kRetry:
      response = busy(detail, 1);
      break;
    case ErrorCode::kTampered:
      log(LogLevel::kError, "a request was not answered", error);
      response = problem(500, "The ledger contradicts its signature", detail);
      break;
    case ErrorCode::kOperator:
      // What it says is for whoever runs the service, and no client's business.
      log(LogLevel::kError, "a request was not answered", error);
      response = problem(500, reason_phrase(500), "the service's log says more");
      break;
  }
  response.headers.emplace_back("Cache-Control", kNotKept);
  return response;
}

Response not_found(std::string_view detail) {
  Response response = problem(404, reason_phrase(404), detail);
  response.headers.emplace_back("Cache-Control", kNotKept);
  return response;
}

Response json_response(std::string body, const char* cache_control) {
  Response response = respond(200, "application/json", std::move(body));
  response.headers.emplace_back("Cache-Control", cache_control);
  response.compressible = true;
  return response;
}

}  // namespace pgtally::http
