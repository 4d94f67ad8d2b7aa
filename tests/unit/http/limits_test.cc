// Clients that are slow, silent, too many or too greedy: each loses its own connection and nothing
// else.
#include "http/limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "test_server.h"

namespace pgtally::http::test {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using testing::HasSubstr;

constexpr milliseconds kShort{300};
constexpr milliseconds kSoon{1500};  // kShort, and a tick of the loop, and a busy machine

TEST(Limits, of_time_ends_a_header_that_does_not_end) {
  Limits limits;
  limits.header_time = kShort;
  TestServer server(limits);
  auto slow = server.client();
  slow.send("GET / HTTP/1.1\r\nHost:");
  for (int i = 0; i < 10; ++i) {  // bytes that trickle in do not help it
    std::this_thread::sleep_for(milliseconds(50));
    slow.send("x");
  }
  EXPECT_EQ(slow.receive(true, kSoon)->status, 408u);
  EXPECT_TRUE(slow.is_closed_within(kSoon));
  EXPECT_EQ(server->counts().timed_out, 1u);
}

TEST(Limits, of_time_ends_a_body_that_does_not_end) {
  Limits limits;
  limits.body_time = kShort;
  TestServer server(limits);
  auto slow = server.client();
  slow.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  EXPECT_EQ(slow.receive(true, kSoon)->status, 408u);
  EXPECT_EQ(server.handler().handled, 0u);
}

TEST(Limits, of_time_ends_connections_that_say_nothing) {
  Limits limits;
  limits.idle = kShort;
  limits.header_time = kShort;
  TestServer server(limits);
  auto silent = server.client();
  auto idle = server.client();
  EXPECT_TRUE(idle.get("/hello"));
  EXPECT_TRUE(silent.is_closed_within(kSoon));
  EXPECT_TRUE(idle.is_closed_within(kSoon));
}

TEST(Limits, of_time_answers_for_a_handler_that_does_not) {
  Limits limits;
  limits.answer = kShort;
  TestServer server(limits);
  auto client = server.client();
  EXPECT_EQ(client.get("/never")->status, 503u);
  EXPECT_TRUE(client.is_closed_within(kSoon));
  server.handler().kept.front()(respond(200, "text/plain", "too late"));
  EXPECT_TRUE(server.client().get("/hello"));
}

TEST(Limits, of_time_ends_a_client_that_does_not_take_its_answers) {
  Limits limits;
  limits.write = kShort;
  TestServer server(limits);
  auto greedy = server.client();
  for (int i = 0; i < 50; ++i) greedy.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(TestServer::eventually([&] { return server->counts().timed_out == 1; }));
  EXPECT_EQ(server->counts().connections, 0u);
  EXPECT_LT(server.handler().handled, 50u) << "it went on although nobody read";
}

TEST(Limits, of_requests_ends_a_connection_in_order) {
  Limits limits;
  limits.requests_per_connection = 3;
  TestServer server(limits);
  auto client = server.client();
  EXPECT_EQ(client.get("/hello")->header("connection"), "");
  EXPECT_EQ(client.get("/hello")->header("connection"), "");
  EXPECT_EQ(client.get("/hello")->header("connection"), "close");
  EXPECT_TRUE(client.is_closed_within(kSoon));
}

TEST(Limits, of_time_ends_a_connection_in_order) {
  Limits limits;
  limits.connection = kShort;
  TestServer server(limits);
  auto client = server.client();
  EXPECT_EQ(client.get("/hello")->header("connection"), "");
  std::this_thread::sleep_for(kShort);
  EXPECT_EQ(client.get("/hello")->header("connection"), "close");
}

TEST(Limits, of_connections_drops_the_one_that_waited_longest) {
  Limits limits;
  limits.connections = 3;
  TestServer server(limits);
  auto first = server.client();
  auto second = server.client();
  auto third = server.client();
  for (auto* client : {&first, &second, &third}) EXPECT_TRUE(client->get("/hello"));
  EXPECT_TRUE(first.get("/hello"));
  auto fourth = server.client();
  EXPECT_TRUE(fourth.get("/hello"));
  EXPECT_TRUE(second.is_closed_within(kSoon));
  EXPECT_TRUE(first.get("/hello"));
  EXPECT_TRUE(third.get("/hello"));
  EXPECT_EQ(server->counts().refused, 1u);
}

TEST(Limits, of_connections_says_so_if_none_is_idle) {
  Limits limits;
  limits.connections = 1;
  TestServer server(limits);
  auto busy = server.client();
  busy.send("GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(TestServer::eventually([&] { return server.handler().handled == 1; }));
  auto refused = server.client();
  const auto response = refused.receive();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 503u);
  EXPECT_EQ(response->header("retry-after"), "1");
}

TEST(Limits, of_the_body_is_told_before_the_body_is_sent) {
  TestServer server;
  auto client = server.client();
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
  EXPECT_EQ(client.receive()->status, 413u);
  EXPECT_TRUE(client.is_closed_within(milliseconds(3000)));
}

TEST(Limits, an_answer_to_a_bad_request_arrives_although_the_client_goes_on_sending) {
  TestServer server;
  auto client = server.client();
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n");
  for (int i = 0; i < 20; ++i) client.send(std::string(100'000, 'x'));
  EXPECT_EQ(client.receive()->status, 413u);
}

// Requests that are wrong in all ways that come to mind, from a random generator that is always the
// same.
class Mangler {
 public:
  std::string next() {
    std::string text = bases_[pick(bases_.size())];
    for (std::size_t i = pick(4) + 1; i > 0; --i) mangle(text);
    return text;
  }
  std::size_t pick(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random_);
  }

 private:
  void mangle(std::string& text) {
    const std::size_t at = pick(text.size() + 1);
    switch (pick(6)) {
      case 0:
        text.insert(at, 1, static_cast<char>(pick(256)));
        break;
      case 1:
        text.erase(at, pick(20));
        break;
      case 2:
        text.insert(at, pieces_[pick(pieces_.size())]);
        break;
      case 3:
        text.insert(at, std::string(pick(40'000), 'A'));
        break;
      case 4:
        if (at < text.size()) text[at] = static_cast<char>(pick(256));
        break;
      default:
        text.resize(at);
    }
  }

  std::mt19937 random_{7};
  const std::vector<std::string> bases_{
      "GET /tile/0/x001/067 HTTP/1.1\r\nHost: x\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "HEAD /tagged HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"v1\"\r\nAccept-Encoding: gzip\r\n\r\n",
      "GET /echo?a=%20b&c=d HTTP/1.0\r\n\r\n",
  };
  const std::vector<std::string> pieces_{
      "\r\n",
      "\n",
      "\r\n\r\n",
      std::string(1, '\0'),
      "%00",
      "%",
      "..",
      "/../../etc/passwd",
      " ",
      "\t",
      "Content-Length: -1\r\n",
      "Content-Length: 99999999999999999999\r\n",
      "Host: y\r\n",
      "Transfer-Encoding: gzip, chunked\r\n",
      "Expect: 200-ok\r\n",
      "\xff\xfe",
      "HTTP/3.0",
      ":",
      "\x16\x03\x01",
      "If-None-Match: \"\r\n",
      "Accept-Encoding: gzip;q=\r\n",
      "Connection: ,,,\r\n",
      "fffffffffffffff1\r\n",
  };
};

TEST(Server, survives_ten_thousand_malformed_requests_without_delaying_others) {
  Limits limits;
  limits.header_time = kShort;
  limits.body_time = kShort;
  TestServer server(limits);
  Mangler mangler;
  auto bystander = server.client();
  milliseconds slowest{0};
  std::vector<RawClient> half_open;
  for (int i = 0; i < 10'000; ++i) {
    auto client = server.client();
    client.send(mangler.next());
    if (i % 3 == 0) {
      client.end_output();
      const auto answer = client.receive_to_end();
      ASSERT_TRUE(answer) << i;
      EXPECT_TRUE(answer->empty() || answer->starts_with("HTTP/1.1 ")) << *answer;
    } else if (i % 50 == 1) {
      half_open.push_back(std::move(client));  // says no more, and does not go away either
    }
    if (i % 20 == 0) {
      const auto begin = Clock::now();
      ASSERT_EQ(bystander.get("/hello")->body, "hello");
      slowest = std::max(slowest, std::chrono::duration_cast<milliseconds>(Clock::now() - begin));
    }
  }
  EXPECT_LT(slowest, milliseconds(500));
  EXPECT_GT(server->counts().malformed, 3'000u);
  EXPECT_EQ(bystander.get("/throws")->status, 500u);
  // Those that were whole requests after all are idle now, and stay.
  half_open.clear();
  EXPECT_TRUE(TestServer::eventually([&] { return server->counts().connections == 1; }))
      << server->counts().connections;
}

}  // namespace
}  // namespace pgtally::http::test
