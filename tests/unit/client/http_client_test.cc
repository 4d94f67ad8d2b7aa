#include "client/http_client.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "support/scripted_server.h"

namespace pgtally {
namespace {

using std::chrono::milliseconds;
using test::http_answer;
using test::ScriptedServer;

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

ErrorCode code_of(const Result<HttpResponse>& result) {
  EXPECT_FALSE(result.ok());
  return result.ok() ? ErrorCode::kOperator : result.error().code;
}

TEST(HttpClient, gives_status_headers_in_lower_case_and_body) {
  ScriptedServer server(
      [](const std::string&) { return http_answer(409, "17\n", "Content-Type:  Text/X \r\n"); });
  HttpClient client;
  const auto answer = client.send({.url = server.url() + "/a"});
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer->status, 409U);
  EXPECT_EQ(answer->header("content-type"), "Text/X");
  EXPECT_EQ(answer->header("etag"), "");
  EXPECT_EQ(answer->body, "17\n");
}

TEST(HttpClient, sends_the_headers_and_the_body_of_a_post) {
  std::string seen;
  ScriptedServer server([&](const std::string& request) {
    seen = request;
    return http_answer(200, "");
  });
  HttpClient client;
  ASSERT_TRUE(client
                  .send({.method = "POST",
                         .url = server.url() + "/add",
                         .headers = {{"Content-Type", "text/plain"}},
                         .body = std::string("a\0b", 3)})
                  .ok());
  EXPECT_TRUE(seen.starts_with("POST /add HTTP/1.1\r\n"));
  EXPECT_NE(seen.find("\r\nContent-Type: text/plain\r\n"), std::string::npos);
  EXPECT_TRUE(seen.ends_with(std::string("\r\n\r\na\0b", 7)));
}

TEST(HttpClient, uses_one_connection_for_one_request_after_the_other) {
  ScriptedServer server([](const std::string&) { return http_answer(200, "x"); });
  HttpClient client;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client.send({.url = server.url()}).ok());
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, sends_many_at_once_and_keeps_their_order) {
  ScriptedServer server([](const std::string& request) {
    std::this_thread::sleep_for(milliseconds(150));
    return http_answer(200, request.substr(5, 2));
  });
  HttpClient client;
  std::vector<HttpRequest> requests;
  for (int i = 10; i < 26; ++i) requests.push_back({.url = server.url() + "/" + std::to_string(i)});
  const auto began = std::chrono::steady_clock::now();
  const auto answers = client.send_all(requests);
  EXPECT_LT(std::chrono::steady_clock::now() - began, milliseconds(1500));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    ASSERT_TRUE(answers[i].ok());
    EXPECT_EQ(answers[i]->body, std::to_string(10 + i));
  }
  EXPECT_LE(server.connections(), HttpClient::kMaxConnections);
}

TEST(HttpClient, takes_a_body_up_to_its_limit_and_none_above) {
  ScriptedServer server(
      [](const std::string&) { return http_answer(200, std::string(1000, 'x')); });
  HttpClient client;
  EXPECT_TRUE(client.send({.url = server.url(), .max_body = 1000}).ok());
  const auto refused = client.send({.url = server.url(), .max_body = 999});
  EXPECT_EQ(code_of(refused), ErrorCode::kReject);
  EXPECT_NE(refused.error().message.find("999 bytes"), std::string::npos);
}

TEST(HttpClient, counts_what_comes_out_of_a_compressed_body) {
  const std::string bomb = gzipped(std::string(10'000'000, '\0'));
  ASSERT_LT(bomb.size(), 20'000U);
  ScriptedServer server(
      [&](const std::string&) { return http_answer(200, bomb, "Content-Encoding: gzip\r\n"); });
  HttpClient client;
  EXPECT_EQ(code_of(client.send({.url = server.url(), .max_body = 9'999'999})), ErrorCode::kReject);
  const auto taken = client.send({.url = server.url(), .max_body = 10'000'000});
  ASSERT_TRUE(taken.ok());
  EXPECT_EQ(taken->body.size(), 10'000'000U);
}

TEST(HttpClient, refuses_a_header_without_end) {
  ScriptedServer server([](const std::string&) {
    std::string headers;
    for (int i = 0; i < 4000; ++i)
      headers += "X-Name-" + std::to_string(i) + ": 0123456789abcdef\r\n";
    return http_answer(200, "x", headers);
  });
  HttpClient client;
  EXPECT_EQ(code_of(client.send({.url = server.url()})), ErrorCode::kReject);
}

TEST(HttpClient, gives_up_a_server_that_does_not_answer_in_time) {
  ScriptedServer server([](const std::string&) {
    std::this_thread::sleep_for(milliseconds(600));
    return http_answer(200, "x");
  });
  HttpClient client;
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(code_of(client.send({.url = server.url(), .timeout = milliseconds(100)})),
            ErrorCode::kRetry);
  EXPECT_LT(std::chrono::steady_clock::now() - began, milliseconds(500));
}

TEST(HttpClient, does_not_take_half_an_answer_for_a_whole_one) {
  ScriptedServer server([](const std::string&) {
    return "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX: Connection: close\r\n\r\nhalf";
  });
  HttpClient client;
  EXPECT_EQ(code_of(client.send({.url = server.url()})), ErrorCode::kRetry);
}

TEST(HttpClient, ends_at_once_when_it_is_cancelled) {
  ScriptedServer server([](const std::string&) {
    std::this_thread::sleep_for(milliseconds(700));
    return http_answer(200, "x");
  });
  std::atomic<bool> cancelled = false;
  HttpClient client([&] { return cancelled.load(); });
  std::thread canceller([&] {
    std::this_thread::sleep_for(milliseconds(100));
    cancelled = true;
  });
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(code_of(client.send({.url = server.url()})), ErrorCode::kRetry);
  EXPECT_LT(std::chrono::steady_clock::now() - began, milliseconds(600));
  canceller.join();
}

TEST(HttpClient, follows_a_redirect_of_a_get_and_gives_what_came_last) {
  ScriptedServer server([](const std::string& request) {
    if (request.starts_with("GET /new ")) return http_answer(200, "here", "X-Last: yes\r\n");
    return http_answer(302, "elsewhere", "Location: /new\r\nX-First: yes\r\n");
  });
  HttpClient client;
  const auto answer = client.send({.url = server.url() + "/old"});
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->body, "here");
  EXPECT_EQ(answer->header("x-first"), "");
  EXPECT_EQ(answer->header("x-last"), "yes");
  const auto post = client.send({.method = "POST", .url = server.url() + "/old"});
  ASSERT_TRUE(post.ok());
  EXPECT_EQ(post->status, 302U);
}

TEST(HttpClient, follows_no_redirect_out_of_http_and_no_circle) {
  for (const char* target : {"file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "/again"}) {
    ScriptedServer server([&](const std::string&) {
      return http_answer(301, "", "Location: " + std::string(target) + "\r\n");
    });
    HttpClient client;
    EXPECT_EQ(code_of(client.send({.url = server.url()})), ErrorCode::kRetry) << target;
    EXPECT_LE(server.requests().size(), 1U + kMaxRedirects);
  }
}

TEST(HttpClient, refuses_what_is_no_request_over_http) {
  HttpClient client;
  for (const char* url : {"file:///etc/passwd", "ftp://a.example/", "gopher://a.example/", "a", "",
                          "http://", "http://a b/"}) {
    EXPECT_EQ(code_of(client.send({.url = url})), ErrorCode::kReject) << url;
  }
  EXPECT_EQ(code_of(client.send({.method = "DELETE", .url = "http://127.0.0.1:1/"})),
            ErrorCode::kReject);
  EXPECT_EQ(code_of(client.send({.url = "http://127.0.0.1:1/", .headers = {{"A", "b\r\nC: d"}}})),
            ErrorCode::kReject);
}

TEST(HttpClient, says_which_server_is_not_there) {
  HttpClient client;
  const auto answer = client.send({.url = "http://127.0.0.1:1/x"});
  EXPECT_EQ(code_of(answer), ErrorCode::kRetry);
  EXPECT_NE(answer.error().message.find("127.0.0.1:1/x"), std::string::npos);
}

}  // namespace
}  // namespace pgtally
