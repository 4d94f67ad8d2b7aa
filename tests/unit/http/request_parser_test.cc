#include "http/request_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgtally::http {
namespace {

using State = RequestParser::State;
using testing::HasSubstr;

// The parser's answer to `bytes`, handed to it in pieces of `piece` bytes.
struct Parsed {
  Limits limits;
  RequestParser parser{limits};
  std::size_t left = 0;
  Parsed(std::string_view bytes, std::size_t piece, Limits given = {}) : limits(given) {
    std::string waiting;
    while (!bytes.empty() && parser.state() != State::kComplete && parser.state() != State::kBad) {
      waiting += bytes.substr(0, piece);
      bytes.remove_prefix(std::min(piece, bytes.size()));
      waiting.erase(0, parser.take(waiting));
    }
    left = waiting.size() + bytes.size();
  }
};

unsigned status_of(std::string_view bytes, const Limits& limits = {}) {
  const Parsed whole(bytes, bytes.size(), limits);
  const Parsed single(bytes, 1, limits);
  EXPECT_EQ(whole.parser.bad_status(), single.parser.bad_status()) << bytes;
  return single.parser.state() == State::kBad ? single.parser.bad_status() : 0;
}

TEST(RequestParser, takes_a_request_in_pieces_of_any_size) {
  const std::string_view text =
      "POST /a/b?c=d&e HTTP/1.1\r\nHost: example.org\r\nX-Thing:  one two \r\n"
      "Content-Length: 5\r\n\r\nhelloGET";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    Parsed parsed(text, piece);
    ASSERT_EQ(parsed.parser.state(), State::kComplete) << piece;
    EXPECT_TRUE(parsed.parser.keep_alive());
    EXPECT_EQ(parsed.left, 3u);
    const Request request = parsed.parser.take_request();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/a/b?c=d&e");
    EXPECT_EQ(request.path, "/a/b");
    EXPECT_EQ(request.query, "c=d&e");
    EXPECT_EQ(request.body, "hello");
    EXPECT_EQ(request.header("x-thing"), "one two");
    EXPECT_EQ(request.header("x-other"), "");
    EXPECT_EQ(parsed.parser.state(), State::kNothing);
  }
}

TEST(RequestParser, puts_a_chunked_body_together_and_drops_trailers) {
  const std::string_view text =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nHost: y\r\nX-Late: z\r\n\r\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    Parsed parsed(text, piece);
    ASSERT_EQ(parsed.parser.state(), State::kComplete) << piece;
    const Request request = parsed.parser.take_request();
    EXPECT_EQ(request.body, "abcde");
    EXPECT_EQ(request.header("x-late"), "");
  }
}

TEST(RequestParser, takes_an_empty_chunked_body_byte_by_byte) {
  Parsed parsed("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1);
  EXPECT_EQ(parsed.parser.state(), State::kComplete);
}

TEST(RequestParser, gives_a_head_request_as_a_get) {
  Parsed parsed("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n", 100);
  EXPECT_TRUE(parsed.parser.is_head());
  EXPECT_EQ(parsed.parser.take_request().method, "GET");
}

TEST(RequestParser, cuts_the_authority_of_an_absolute_url) {
  Parsed parsed("GET http://example.org:80/x?y HTTP/1.1\r\nHost: x\r\n\r\n", 100);
  EXPECT_EQ(parsed.parser.take_request().target, "/x?y");
  Parsed empty("GET HTTPS://example.org HTTP/1.1\r\nHost: x\r\n\r\n", 100);
  EXPECT_EQ(empty.parser.take_request().path, "/");
}

TEST(RequestParser, ends_the_connection_as_the_client_says) {
  EXPECT_FALSE(Parsed("GET / HTTP/1.0\r\n\r\n", 100).parser.keep_alive());
  EXPECT_TRUE(Parsed("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 99).parser.keep_alive());
  EXPECT_FALSE(
      Parsed("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 99).parser.keep_alive());
}

TEST(RequestParser, tells_once_that_the_client_waits_before_it_sends_the_body) {
  Parsed parsed("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
                99);
  EXPECT_EQ(parsed.parser.state(), State::kBody);
  EXPECT_TRUE(parsed.parser.take_expectation());
  EXPECT_FALSE(parsed.parser.take_expectation());
}

TEST(RequestParser, refuses_what_could_be_read_in_two_ways) {
  const std::string begin = "POST / HTTP/1.1\r\nHost: x\r\n";
  for (const std::string fields : {
           "Content-Length: 1\r\nContent-Length: 2\r\n",
           "Content-Length: 1, 2\r\n",
           "Content-Length: +1\r\n",
           "Content-Length: 0x1\r\n",
           "Content-Length: 18446744073709551616\r\n",
           "Content-Length:\r\n",
           "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
           "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
           "Content-Length : 1\r\n",
           "Host: y\r\n",
           "X: a\nY: b\r\n",
           "X\r\n",
           ": x\r\n",
       }) {
    EXPECT_EQ(status_of(begin + fields + "\r\nxx"), 400u) << fields;
  }
  for (const std::string coding :
       {"gzip", "chunked, gzip", "gzip, chunked", "identity", "xchunked"}) {
    EXPECT_EQ(status_of(begin + "Transfer-Encoding: " + coding + "\r\n\r\n0\r\n\r\n"), 501u)
        << coding;
  }
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400u) << "no host";
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400u);
}

TEST(RequestParser, takes_a_folded_line_as_the_end_of_the_value_before) {
  Parsed parsed("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n Content-Length: 1\r\n\r\n", 99);
  ASSERT_EQ(parsed.parser.state(), State::kComplete);
  EXPECT_EQ(parsed.parser.take_request().header("a"), "b Content-Length: 1");
}

TEST(RequestParser, refuses_targets_that_are_no_paths) {
  for (const std::string target : {"*", "x", "example.org:80", "ftp://x/", "//", "/a#b", "/a\x7f",
                                   "/\xc3\xa4", "http://x?y", "?"}) {
    const unsigned status = status_of("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(status, target == "//" ? 0u : 400u) << target;
  }
}

TEST(RequestParser, refuses_chunks_that_are_none) {
  const std::string begin = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(status_of(begin + "x\r\n"), 400u);
  EXPECT_EQ(status_of(begin + "-1\r\n"), 400u);
  EXPECT_EQ(status_of(begin + "1\r\nab\r\n0\r\n\r\n"), 400u);
  EXPECT_EQ(status_of(begin + "fffffffffffffffff\r\n"), 400u);
  EXPECT_EQ(status_of(begin + "ffffffffffffffff\r\n"), 413u);
}

TEST(RequestParser, holds_every_limit) {
  Limits limits;
  limits.header = 512;
  limits.target = 64;
  limits.header_fields = 5;
  limits.body = 10;
  const std::string host = "Host: x\r\n";
  const auto get = [&](const std::string& target, const std::string& fields) {
    return status_of("GET " + target + " HTTP/1.1\r\n" + host + fields + "\r\n", limits);
  };
  EXPECT_EQ(get("/" + std::string(63, 'a'), ""), 0u);
  EXPECT_EQ(get("/" + std::string(64, 'a'), ""), 414u);
  EXPECT_EQ(get("/", "A: " + std::string(400, 'a') + "\r\n"), 0u);
  EXPECT_EQ(get("/", "A: " + std::string(600, 'a') + "\r\n"), 431u);
  EXPECT_EQ(get("/", "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\n"), 0u);
  EXPECT_EQ(get("/", "A: 1\r\nA: 2\r\nA: 3\r\nA: 4\r\nA: 5\r\n"), 431u);
  EXPECT_EQ(status_of("GET /" + std::string(600, 'a'), limits), 431u) << "without an end";
  EXPECT_EQ(status_of(std::string(600, 'A'), limits), 431u);

  const std::string most = "A: " + std::string(512 - 16 - 9 - 3 - 4, 'a') + "\r\n";
  EXPECT_EQ(get("/", most), 0u) << "exactly 512 bytes";
  EXPECT_EQ(get("/b", most), 431u);

  const std::string post = "POST / HTTP/1.1\r\n" + host;
  EXPECT_EQ(status_of(post + "Content-Length: 10\r\n\r\n0123456789", limits), 0u);
  EXPECT_EQ(status_of(post + "Content-Length: 11\r\n\r\n", limits), 413u);
  const std::string chunked = post + "Transfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(status_of(chunked + "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", limits), 0u);
  EXPECT_EQ(status_of(chunked + "5\r\n01234\r\n6\r\n567890\r\n0\r\n\r\n", limits), 413u);
  EXPECT_EQ(status_of(chunked + "1;" + std::string(600, 'a'), limits), 431u);
  EXPECT_EQ(status_of(chunked + "0\r\n" + std::string(600, 'a'), limits), 431u);

  std::string lines;
  for (int i = 0; i < 300; ++i) lines += "\r\n";
  EXPECT_EQ(status_of("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", limits), 0u);
  EXPECT_EQ(status_of(lines, limits), 431u);
}

TEST(RequestParser, names_the_version_that_it_does_not_speak) {
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), 505u);
  EXPECT_EQ(status_of("GET / HTTP/0.9\r\n\r\n"), 505u);
  EXPECT_EQ(status_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505u);
}

TEST(RequestParser, says_at_once_that_a_tls_greeting_is_no_request) {
  EXPECT_EQ(status_of(std::string_view("\x16\x03\x01\x02\x00\x01\x00", 7)), 400u);
}

TEST(QueryParameters, are_decoded_in_order) {
  const auto query = query_parameters("a=1&b=x%20y+z&a=%C3%A4&empty=&&flag&=v");
  ASSERT_TRUE(query.ok());
  const Parameters expected{{"a", "1"},    {"b", "x y z"}, {"a", "\xc3\xa4"},
                            {"empty", ""}, {"flag", ""},   {"", "v"}};
  EXPECT_EQ(*query, expected);
  EXPECT_TRUE(query_parameters("")->empty());
}

TEST(QueryParameters, refuses_what_cannot_be_decoded) {
  for (const std::string bad : {"a=%", "a=%4", "a=%zz", "%=", "a=%00", "a=%ff", "a=\xff"}) {
    const auto query = query_parameters(bad);
    ASSERT_FALSE(query.ok()) << bad;
    EXPECT_EQ(query.error().code, ErrorCode::kReject);
  }
  std::string many;
  for (std::size_t i = 0; i < kMaxParameters; ++i) many += "a=1&";
  EXPECT_TRUE(query_parameters(many).ok());
  EXPECT_THAT(query_parameters(many + "a=1").error().message, HasSubstr("64"));
}

}  // namespace
}  // namespace pgtally::http
