#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <fstream>

#include "http/event_feed.h"
#include "test_server.h"

namespace pgtally::http::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

RawClient listener_of(const TestServer& server, const std::string& fields = "") {
  auto client = server.client();
  client.send("GET /events HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
  const auto response = client.receive(false);
  EXPECT_TRUE(response);
  if (response) {
    EXPECT_EQ(response->status, 200u);
    EXPECT_EQ(response->header("content-type"), "text/event-stream");
    EXPECT_EQ(response->header("content-length"), "");
  }
  return client;
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  statm >> size >> resident;
  return resident * 4096;
}

TEST(EventFeed, sends_each_event_to_all_listeners_in_order) {
  TestServer server;
  auto first = listener_of(server);
  auto second = listener_of(server);
  for (int i = 0; i < 20; ++i)
    server.handler().feed->publish("checkpoint", std::to_string(i), "a\nb");
  for (auto* client : {&first, &second}) {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(client->receive_until("\n\n"),
                "event: checkpoint\nid: " + std::to_string(i) + "\ndata: a\ndata: b\n\n");
    }
  }
}

TEST(EventFeed, begins_with_the_newest_event_unless_the_listener_has_it) {
  TestServer server;
  server.handler().feed->publish("n", "1", "one");
  server.handler().feed->publish("n", "2", "two");
  auto fresh = listener_of(server);
  EXPECT_THAT(*fresh.receive_until("\n\n"), HasSubstr("data: two"));
  auto behind = listener_of(server, "Last-Event-ID: 1\r\n");
  EXPECT_THAT(*behind.receive_until("\n\n"), HasSubstr("data: two"));
  auto current = listener_of(server, "Last-Event-ID: 2\r\n");
  server.handler().feed->publish("n", "3", "three");
  EXPECT_THAT(*current.receive_until("\n\n"), HasSubstr("data: three"));
}

TEST(EventFeed, shows_listeners_that_it_is_alive) {
  Limits limits;
  limits.event_heartbeat = milliseconds(100);
  TestServer server(limits);
  auto client = listener_of(server);
  EXPECT_EQ(client.receive_until("\n\n"), ":\n\n");
  EXPECT_EQ(client.receive_until("\n\n"), ":\n\n");
}

TEST(EventFeed, forgets_listeners_that_go_away) {
  TestServer server;
  {
    auto client = listener_of(server);
    EXPECT_EQ(server->counts().event_streams, 1u);
  }
  EXPECT_TRUE(TestServer::eventually([&] { return server->counts().event_streams == 0; }));
  server.handler().feed->publish("n", "1", "one");
  EXPECT_TRUE(server.client().get("/hello"));
}

TEST(EventFeed, drops_a_listener_that_does_not_read) {
  Limits limits;
  limits.event_backlog = 4;
  TestServer server(limits);
  auto deaf = listener_of(server);
  auto other = listener_of(server);
  const std::string data(500'000, 'e');
  for (int i = 0; i < 40; ++i) {
    server.handler().feed->publish("n", std::to_string(i), data);
    ASSERT_TRUE(other.receive_until("\n\n")) << i;
  }
  EXPECT_TRUE(TestServer::eventually([&] { return server->counts().event_streams == 1; }));
}

TEST(EventFeed, ends_a_stream_on_which_the_client_speaks) {
  TestServer server;
  auto client = listener_of(server);
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.is_closed_within(milliseconds(2000)));
}

TEST(EventFeed, ends_a_stream_that_is_as_old_as_a_connection_may_be) {
  Limits limits;
  limits.connection = milliseconds(600);
  limits.event_heartbeat = milliseconds(100);
  TestServer server(limits);
  auto client = listener_of(server);
  EXPECT_TRUE(client.receive_until("\n\n"));
  EXPECT_TRUE(client.is_closed_within(milliseconds(3000)));
  EXPECT_EQ(server->counts().event_streams, 0u);
  EXPECT_EQ(server->counts().timed_out, 0u) << "it did nothing wrong";
}

TEST(EventFeed, takes_no_more_listeners_than_its_limit) {
  Limits limits;
  limits.event_streams = 2;
  TestServer server(limits);
  auto first = listener_of(server);
  auto second = std::make_unique<RawClient>(listener_of(server));
  EXPECT_EQ(server.client().get("/events")->status, 503u);
  second.reset();
  EXPECT_TRUE(TestServer::eventually([&] { return server->counts().event_streams == 1; }));
  listener_of(server);
}

TEST(EventFeed, costs_less_than_ten_mebibytes_for_a_thousand_idle_listeners) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs memory of its own";
#endif
  TestServer server;
  std::vector<RawClient> clients;
  clients.reserve(1000);
  clients.push_back(listener_of(server));
  malloc_trim(0);
  const std::size_t before = resident_bytes();
  for (int i = 0; i < 1000; ++i) clients.push_back(listener_of(server));
  const std::size_t cost = resident_bytes() - before;
  EXPECT_EQ(server->counts().event_streams, 1001u);
  EXPECT_LT(cost, std::size_t{10} << 20);
  RecordProperty("bytes_of_a_listener", static_cast<int>(cost / 1000));
  server.handler().feed->publish("n", "1", "one");
  for (auto& client : clients) ASSERT_TRUE(client.receive_until("data: one\n\n"));
}

}  // namespace
}  // namespace pgtally::http::test
