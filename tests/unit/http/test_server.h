// A server on a free port, with a handler that has something of everything.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "http/event_feed.h"
#include "http/server.h"
#include "raw_client.h"

namespace pgtally::http::test {

// /hello         hello
// /echo          the body, with method, path and query in fields X-…
// /tagged        a compressible text of 10,000 bytes with the tag "v1"
// /big           a million bytes
// /later         answered by another thread after 50 ms
// /never         not answered while the test runs; see kept
// /dropped       the answer is thrown away
// /throws        an exception
// /events        the feed
class TestHandler : public Handler {
 public:
  ~TestHandler() override {
    for (auto& thread : threads) thread.join();
  }

  void handle(Request request, Answer answer) override {
    ++handled;
    const auto& path = request.path;
    if (path == "/hello") return answer(respond(200, "text/plain", "hello"));
    if (path == "/echo") return answer(echo(request));
    if (path == "/tagged") return answer(tagged());
    if (path == "/big") return answer(respond(200, "text/plain", std::string(1'000'000, 'b')));
    if (path == "/later") {
      threads.emplace_back([answer = std::move(answer)] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        answer(respond(200, "text/plain", "later"));
      });
      return;
    }
    if (path == "/never") return kept.push_back(std::move(answer));
    if (path == "/dropped") return;
    if (path == "/throws") throw std::runtime_error("a defect");
    if (path == "/events") return answer(event_stream(feed));
    answer(problem(404, "Not Found", path));
  }

  static Response echo(const Request& request) {
    Response response = respond(200, "application/octet-stream", request.body);
    response.headers.emplace_back("X-Method", request.method);
    response.headers.emplace_back("X-Path", request.path);
    response.headers.emplace_back("X-Query", request.query);
    response.headers.emplace_back("X-Peer", request.peer);
    return response;
  }

  static std::string text() { return std::string(10'000, 't'); }
  static Response tagged() {
    Response response = respond(200, "text/plain", text());
    response.etag = "v1";
    response.compressible = true;
    return response;
  }

  std::atomic<std::size_t> handled = 0;
  std::vector<Answer> kept;
  std::vector<std::thread> threads;
  std::shared_ptr<EventFeed> feed = std::make_shared<EventFeed>();
};

class TestServer {
 public:
  explicit TestServer(const Limits& limits = {}, std::string certificate = {},
                      std::string key = {}) {
    auto started =
        Server::start({"127.0.0.1:0", std::move(certificate), std::move(key), limits}, handler_);
    if (!started.ok()) throw std::runtime_error(started.error().message);
    server_ = std::move(started).value();
  }
  ~TestServer() { server_->stop(); }

  [[nodiscard]] RawClient client() const { return RawClient(server_->port()); }
  Server& operator*() { return *server_; }
  Server* operator->() { return server_.get(); }
  TestHandler& handler() { return handler_; }

  // Waits, some seconds at most, until `condition` is true.
  template <typename Condition>
  [[nodiscard]] static bool eventually(Condition condition) {
    for (int i = 0; i < 500; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

 private:
  TestHandler handler_;
  std::unique_ptr<Server> server_;
};

}  // namespace pgtally::http::test
