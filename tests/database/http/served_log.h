// A ledger with what answers for it over HTTP, but without a server: requests are function calls.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <future>
#include <string>
#include <thread>

#include "http/log_routes.h"
#include "support/service_ledger.h"

namespace pgtally::test {

inline std::string body_of(const http::Response& response) {
  return response.body ? *response.body : "";
}
inline std::string header_of(const http::Response& response, const std::string& name) {
  for (const auto& [each, value] : response.headers) {
    if (each == name) return value;
  }
  return "";
}
inline boost::json::value json_of(const http::Response& response) {
  return boost::json::parse(body_of(response));
}

inline http::Response ask(http::Handler& handler, const std::string& method,
                          const std::string& target, http::Headers headers = {},
                          std::string body = "") {
  http::Request request;
  request.method = method;
  request.target = target;
  const std::size_t mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string::npos) request.query = target.substr(mark + 1);
  request.headers = std::move(headers);
  request.body = std::move(body);
  const auto answered = std::make_shared<std::promise<http::Response>>();
  auto answer = answered->get_future();
  handler.handle(std::move(request),
                 [answered](http::Response response) { answered->set_value(std::move(response)); });
  if (answer.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
    throw std::runtime_error(target + " was never answered");
  }
  return answer.get();
}

template <typename Database>
class ServedLog {
 public:
  explicit ServedLog(int rows = 0, const http::LogLimits& limits = {})
      : limits_(limits), context_(make_context()) {
    if (rows > 0) grow(rows);
  }

  [[nodiscard]] ServiceLedger<Database>& ledger() { return ledger_; }
  [[nodiscard]] Database& database() { return ledger_.database(); }
  [[nodiscard]] std::string conninfo() { return ledger_.database().conninfo(); }
  [[nodiscard]] http::LogContext& context() { return *context_; }
  [[nodiscard]] Pulse& pulse() { return pulse_; }
  [[nodiscard]] const Waker& waker() const { return waker_; }
  std::string psql(const std::string& sql) { return database().psql(sql); }
  // With the guards of the tables off, as only a superuser can.
  void tamper(const std::string& table, const std::string& set) {
    psql("ALTER TABLE pgtally." + table + " DISABLE TRIGGER ALL; UPDATE pgtally." + table +
         " SET " + set + "; ALTER TABLE pgtally." + table + " ENABLE TRIGGER ALL");
  }

  // Appends rows, signs, and waits until the checkpoint is served.
  void grow(int rows) {
    ledger_.append(rows);
    const OnceReport report = must(ledger_.run_once());
    await(report.head.size);
  }
  // The same rows without a signature: by a host that has no key.
  void grow_unsigned(int rows) {
    ledger_.append(rows);
    RunnerOptions options = ledger_.options();
    const TestDirectory nowhere;
    options.state_directory = nowhere.path().string();
    auto connection = test::connect(conninfo());
    must(pgtally::run_once(connection, options, {}));
  }
  void await(TreeSize size) {
    context_->watch.wake();
    for (int i = 0; i < 2000; ++i) {
      const auto head = context_->revealed.head();
      if (head && head->size >= size) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    throw std::runtime_error("the checkpoint was never served");
  }
  // Forgets all that is in memory.
  void restart() {
    context_.reset();
    context_ = make_context();
    context_->watch.wake();
    for (int i = 0; i < 200 && !context_->revealed.has_looked(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  http::Response get(const std::string& target, const http::Headers& headers = {}) {
    http::LogRoutes routes(*context_);
    return ask(routes, "GET", target, headers);
  }
  http::Response post(const std::string& target, const http::Headers& headers,
                      const std::string& body) {
    http::LogRoutes routes(*context_);
    return ask(routes, "POST", target, headers, body);
  }
  [[nodiscard]] TreeSize size() { return context_->revealed.head()->size; }

 private:
  std::unique_ptr<http::LogContext> make_context() {
    return std::make_unique<http::LogContext>(conninfo(), "pgtally", limits_, &pulse_, &waker_);
  }

  ServiceLedger<Database> ledger_;
  Pulse pulse_;
  Waker waker_ = must(Waker::create());
  http::LogLimits limits_;
  std::unique_ptr<http::LogContext> context_;
};

}  // namespace pgtally::test
