#include "http/outgoing.h"

#include <array>
#include <charconv>
#include <ctime>

#include "http/compress.h"

namespace pgtally::http {
namespace {

constexpr std::size_t kWorthCompressing = 1024;

// "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", made once a second.
std::string_view date_line() {
  thread_local std::time_t made_at = 0;
  thread_local std::array<char, 48> line;
  thread_local std::size_t size = 0;
  const std::time_t now = std::time(nullptr);
  if (now != made_at) {
    std::tm parts = {};
    gmtime_r(&now, &parts);
    size = std::strftime(line.data(), line.size(), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    made_at = now;
  }
  return {line.data(), size};
}

void append_number(std::string& text, std::size_t number) {
  std::array<char, 24> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  text.append(digits.data(), end);
}

// The body that this client gets, and whether it is the compressed one.
bool choose_gzip(Response& response, const RequestFacts& facts, std::size_t most_compressed) {
  if (!response.body || !accepts_gzip(facts.accept_encoding)) return false;
  if (!response.gzipped) {
    const std::size_t size = response.body->size();
    if (!response.compressible || size < kWorthCompressing || size > most_compressed) return false;
    response.gzipped = std::make_shared<const std::string>(gzip(*response.body));
  }
  if (response.gzipped->size() >= response.body->size()) return false;
  response.body = std::move(response.gzipped);
  return true;
}

bool has_no_body(unsigned status) {
  return status == 204 || status == 304;
}

}  // namespace

RequestFacts facts_of(const Request& request) {
  RequestFacts facts;
  facts.is_get = request.method == "GET";
  facts.if_none_match = request.header("if-none-match");
  facts.accept_encoding = request.header("accept-encoding");
  return facts;
}

bool matches_etag(std::string_view if_none_match, std::string_view etag) {
  if (if_none_match == "*") return true;
  // Tags hold no quotes, so whatever stands between two of them is one.
  for (;;) {
    const auto begin = if_none_match.find('"');
    if (begin == std::string_view::npos) return false;
    if_none_match.remove_prefix(begin + 1);
    const auto end = if_none_match.find('"');
    if (end == std::string_view::npos) return false;
    if (if_none_match.substr(0, end) == etag) return true;
    if_none_match.remove_prefix(end + 1);
  }
}

Outgoing make_outgoing(Response response, const RequestFacts& facts, std::size_t most_compressed) {
  const bool varies = response.compressible || response.gzipped;
  const bool is_tagged = !response.etag.empty() && response.status == 200;
  if (is_tagged && facts.is_get && !facts.if_none_match.empty() &&
      matches_etag(facts.if_none_match, response.etag)) {
    response.status = 304;
  }
  const bool is_gzip =
      response.status != 304 && varies && choose_gzip(response, facts, most_compressed);

  Outgoing out;
  out.events = facts.is_head || response.status != 200 ? nullptr : std::move(response.events);
  out.keep_alive = facts.keep_alive && !out.events;

  auto& head = out.head;
  head.reserve(320);
  head.append("HTTP/1.1 ");
  append_number(head, response.status);
  head.append(" ").append(reason_phrase(response.status)).append("\r\n").append(date_line());
  for (const auto& [name, value] : response.headers) {
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (is_tagged) {
    // Compressed bytes are another representation, which only a weak tag may share.
    head.append(is_gzip ? "ETag: W/\"" : "ETag: \"").append(response.etag).append("\"\r\n");
  }
  if (varies) head.append("Vary: Accept-Encoding\r\n");
  if (is_gzip) head.append("Content-Encoding: gzip\r\n");
  if (!out.events && !has_no_body(response.status)) {
    head.append("Content-Length: ");
    append_number(head, response.body ? response.body->size() : 0);
    head.append("\r\n");
  }
  if (!out.keep_alive) {
    head.append("Connection: close\r\n");
  } else if (facts.is_http_1_0) {
    head.append("Connection: keep-alive\r\n");
  }
  head.append("\r\n");
  if (!facts.is_head && !has_no_body(response.status) && !out.events) {
    out.body = std::move(response.body);
  }
  return out;
}

}  // namespace pgtally::http
