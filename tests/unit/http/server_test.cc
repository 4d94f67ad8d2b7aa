#include "http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "http/compress.h"
#include "http/listen_address.h"
#include "http/outgoing.h"
#include "test_server.h"

namespace pgtally::http::test {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

std::string gunzip(const std::string& packed) {
  z_stream stream = {};
  inflateInit2(&stream, 15 + 16);
  std::string text(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

std::string request(const std::string& line, const std::string& fields = "") {
  return line + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n";
}

TEST(Server, answers_many_requests_on_one_connection) {
  const TestServer server;
  auto client = server.client();
  for (int i = 0; i < 100; ++i) {
    const auto response = client.get("/hello");
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200u);
    EXPECT_EQ(response->body, "hello");
    EXPECT_EQ(response->header("connection"), "");
    EXPECT_THAT(response->header("date"), testing::MatchesRegex("..., .. ... .... ..:..:.. GMT"));
  }
}

TEST(Server, gives_the_handler_everything_that_was_sent) {
  const TestServer server;
  auto client = server.client();
  client.send(request("POST /echo?a=b", "Content-Length: 5\r\n") + "\1\2\3\r\n");
  const auto response = client.receive();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "\1\2\3\r\n");
  EXPECT_EQ(response->header("x-method"), "POST");
  EXPECT_EQ(response->header("x-path"), "/echo");
  EXPECT_EQ(response->header("x-query"), "a=b");
  EXPECT_EQ(response->header("x-peer"), "127.0.0.1");
}

TEST(Server, answers_pipelined_requests_in_their_order_whoever_answers) {
  const TestServer server;
  auto client = server.client();
  std::string requests;
  for (int i = 0; i < 40; ++i) {
    requests += request("GET /hello") + request("GET /later") +
                request("GET /echo?" + std::to_string(i)) + request("GET /big");
  }
  client.send(requests);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(client.receive()->body, "hello");
    EXPECT_EQ(client.receive()->body, "later");
    EXPECT_EQ(client.receive()->header("x-query"), std::to_string(i));
    EXPECT_EQ(client.receive()->body.size(), 1'000'000u);
  }
}

TEST(Server, answers_a_thousand_pipelined_requests) {
  const TestServer server;
  auto client = server.client();
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += request("GET /echo?" + std::to_string(i));
  client.send(requests);
  for (int i = 0; i < 1000; ++i) {
    const auto response = client.receive();
    ASSERT_TRUE(response) << i;
    EXPECT_EQ(response->header("x-query"), std::to_string(i));
  }
}

TEST(Server, takes_requests_that_come_byte_by_byte) {
  const TestServer server;
  auto client = server.client();
  for (const char c : request("POST /echo", "Content-Length: 3\r\n") + "abc") {
    client.send({&c, 1});
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_EQ(client.receive()->body, "abc");
}

TEST(Server, takes_large_bodies_whole_or_in_chunks) {
  const TestServer server;
  auto client = server.client();
  const std::string body(1 << 20, 'x');
  client.send(request("POST /echo", "Content-Length: 1048576\r\n") + body);
  EXPECT_EQ(client.receive()->body, body);
  client.send(request("POST /echo", "Transfer-Encoding: chunked\r\n"));
  for (int i = 0; i < 16; ++i) client.send("10000\r\n" + body.substr(0, 65536) + "\r\n");
  client.send("0\r\n\r\n");
  EXPECT_EQ(client.receive()->body, body);
  EXPECT_EQ(client.get("/hello")->body, "hello");
}

TEST(Server, sends_head_without_the_body_but_with_its_length) {
  const TestServer server;
  auto client = server.client();
  client.send(request("HEAD /tagged") + request("GET /hello"));
  const auto head = client.receive(false);
  EXPECT_EQ(head->status, 200u);
  EXPECT_EQ(head->header("content-length"), "10000");
  EXPECT_EQ(client.receive()->body, "hello");
}

TEST(Server, says_not_modified_to_a_client_that_has_it) {
  const TestServer server;
  auto client = server.client();
  EXPECT_EQ(client.get("/tagged")->header("etag"), "\"v1\"");
  for (const std::string tags : {"\"v1\"", "W/\"v1\"", "\"a\", \"v1\"", "*"}) {
    client.send(request("GET /tagged", "If-None-Match: " + tags + "\r\n"));
    const auto response = client.receive(false);
    EXPECT_EQ(response->status, 304u) << tags;
    EXPECT_EQ(response->header("etag"), "\"v1\"");
    EXPECT_EQ(response->header("content-length"), "");
  }
  for (const std::string tags : {"\"v2\"", "\"v10\"", "v1", "\"a,v1\"", "\"\""}) {
    client.send(request("GET /tagged", "If-None-Match: " + tags + "\r\n"));
    EXPECT_EQ(client.receive()->status, 200u) << tags;
  }
}

TEST(Server, compresses_for_clients_that_accept_it) {
  const TestServer server;
  auto client = server.client();
  client.send(request("GET /tagged", "Accept-Encoding: br, gzip\r\n"));
  const auto packed = client.receive();
  EXPECT_EQ(packed->header("content-encoding"), "gzip");
  EXPECT_EQ(packed->header("etag"), "W/\"v1\"");
  EXPECT_EQ(packed->header("vary"), "Accept-Encoding");
  EXPECT_LT(packed->body.size(), 1000u);
  EXPECT_EQ(gunzip(packed->body), TestHandler::text());

  client.send(request("GET /tagged", "Accept-Encoding: gzip;q=0\r\n"));
  const auto plain = client.receive();
  EXPECT_EQ(plain->header("content-encoding"), "");
  EXPECT_EQ(plain->header("vary"), "Accept-Encoding");
  EXPECT_EQ(plain->body, TestHandler::text());
  client.send(request("GET /hello", "Accept-Encoding: gzip\r\n"));
  EXPECT_EQ(client.receive()->header("vary"), "");
}

TEST(Server, closes_after_the_answer_where_the_client_asks_for_it) {
  const TestServer server;
  for (const std::string text : {"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                                 "GET /hello HTTP/1.0\r\n\r\n"}) {
    auto client = server.client();
    client.send(text);
    const auto all = client.receive_to_end();
    ASSERT_TRUE(all);
    EXPECT_THAT(*all, HasSubstr("Connection: close\r\n"));
    EXPECT_TRUE(all->ends_with("hello"));
  }
  auto client = server.client();
  client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(client.receive()->header("connection"), "keep-alive");
  EXPECT_EQ(client.get("/hello")->body, "hello");
}

TEST(Server, answers_a_client_that_has_closed_its_half) {
  const TestServer server;
  auto client = server.client();
  client.send(request("GET /hello") + request("GET /later"));
  client.end_output();
  EXPECT_EQ(client.receive()->body, "hello");
  EXPECT_EQ(client.receive()->body, "later");
  EXPECT_TRUE(client.is_closed_within(milliseconds(2000)));
}

TEST(Server, asks_for_the_body_of_a_client_that_waits_to_be_asked) {
  const TestServer server;
  auto client = server.client();
  client.send(request("POST /echo", "Expect: 100-continue\r\nContent-Length: 3\r\n"));
  EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("abc");
  EXPECT_EQ(client.receive()->body, "abc");
}

TEST(Server, turns_defects_of_the_handler_into_a_500) {
  const TestServer server;
  auto client = server.client();
  EXPECT_EQ(client.get("/throws")->status, 500u);
  const auto response = client.get("/dropped");
  EXPECT_EQ(response->status, 500u);
  EXPECT_EQ(response->header("content-type"), "application/problem+json");
  EXPECT_THAT(response->body, HasSubstr(R"("title":"Internal Server Error","status":500)"));
  EXPECT_EQ(client.get("/hello")->status, 200u);
}

TEST(Server, finishes_what_is_under_way_before_it_stops) {
  TestServer server;
  auto busy = server.client();
  auto idle = server.client();
  auto listener = server.client();
  EXPECT_TRUE(idle.get("/hello"));
  listener.send(request("GET /events"));
  EXPECT_TRUE(listener.receive(false));
  busy.send(request("GET /later"));
  ASSERT_TRUE(TestServer::eventually([&] { return server.handler().handled == 3; }));
  server->stop();
  EXPECT_EQ(busy.receive()->body, "later");
  EXPECT_TRUE(busy.is_closed_within(milliseconds(100)));
  EXPECT_TRUE(idle.is_closed_within(milliseconds(100)));
  EXPECT_TRUE(listener.is_closed_within(milliseconds(100)));
  EXPECT_THROW(server.client(), std::runtime_error);
  EXPECT_EQ(server->counts().connections, 0u);
}

TEST(Server, stops_in_time_although_an_answer_never_comes) {
  Limits limits;
  limits.drain = milliseconds(300);
  TestServer server(limits);
  auto client = server.client();
  client.send(request("GET /never"));
  ASSERT_TRUE(TestServer::eventually([&] { return server.handler().handled == 1; }));
  server->stop();
  EXPECT_TRUE(client.is_closed_within(milliseconds(100)));
  server.handler().kept.front()(respond(200, "text/plain", "too late"));
}

TEST(Server, says_who_has_the_port) {
  TestServer first;
  TestHandler handler;
  const auto second = Server::start({first->address(), "", "", {}}, handler);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kOperator);
  EXPECT_THAT(second.error().message, HasSubstr(first->address()));
}

TEST(ListenAddress, is_what_people_write) {
  EXPECT_EQ(parse_listen_address("127.0.0.1:80")->text(), "127.0.0.1:80");
  EXPECT_EQ(parse_listen_address("localhost:0")->text(), "127.0.0.1:0");
  EXPECT_EQ(parse_listen_address("[::1]:65535")->text(), "[::1]:65535");
  for (const std::string bad :
       {"", "80", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "[127.0.0.1]:80",
        "example.org:80", "127.0.0.1:+1", "[::1]"}) {
    EXPECT_FALSE(parse_listen_address(bad).ok()) << bad;
  }
}

TEST(Gzip, is_sent_only_to_those_who_accept_it) {
  for (const std::string yes : {"gzip", "GZIP", "br;q=1, gzip;q=0.1", "*", "deflate, *;q=0.5"}) {
    EXPECT_TRUE(accepts_gzip(yes)) << yes;
  }
  for (const std::string no :
       {"", "br", "identity", "gzip;q=0", "gzip;q=0.000", "*;q=0", "*, gzip;q=0"}) {
    EXPECT_FALSE(accepts_gzip(no)) << no;
  }
}

TEST(Gzip, comes_back_as_it_was) {
  for (const std::size_t size : {0u, 1u, 1000u, 400'000u}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * i >> 3);
    EXPECT_EQ(gunzip(gzip(text)), text);
    EXPECT_EQ(gzip(text), gzip(text));
  }
}

TEST(Outgoing, sends_a_body_that_was_compressed_before) {
  Response response = respond(200, "text/plain", std::string(500, 'a'));
  response.gzipped = std::make_shared<const std::string>("packed");
  RequestFacts facts;
  facts.is_get = true;
  facts.accept_encoding = "gzip";
  EXPECT_EQ(*make_outgoing(response, facts, 0).body, "packed");
  facts.accept_encoding = "";
  EXPECT_EQ(make_outgoing(response, facts, 0).body->size(), 500u);
}

TEST(Outgoing, has_no_length_where_there_can_be_no_body) {
  Response response = respond(204, "text/plain", "");
  EXPECT_THAT(make_outgoing(response, {}, 0).head, Not(HasSubstr("Content-Length")));
}

}  // namespace
}  // namespace pgtally::http::test
