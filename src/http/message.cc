#include "http/message.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>

#include "base/encoding.h"

namespace pgtally::http {
namespace {

struct Phrase {
  unsigned status;
  std::string_view words;
};
constexpr std::array kPhrases{
    Phrase{100, "Continue"},
    Phrase{200, "OK"},
    Phrase{201, "Created"},
    Phrase{202, "Accepted"},
    Phrase{204, "No Content"},
    Phrase{304, "Not Modified"},
    Phrase{400, "Bad Request"},
    Phrase{401, "Unauthorized"},
    Phrase{403, "Forbidden"},
    Phrase{404, "Not Found"},
    Phrase{405, "Method Not Allowed"},
    Phrase{406, "Not Acceptable"},
    Phrase{408, "Request Timeout"},
    Phrase{409, "Conflict"},
    Phrase{413, "Content Too Large"},
    Phrase{414, "URI Too Long"},
    Phrase{415, "Unsupported Media Type"},
    Phrase{417, "Expectation Failed"},
    Phrase{422, "Unprocessable Content"},
    Phrase{429, "Too Many Requests"},
    Phrase{431, "Request Header Fields Too Large"},
    Phrase{500, "Internal Server Error"},
    Phrase{501, "Not Implemented"},
    Phrase{503, "Service Unavailable"},
    Phrase{505, "HTTP Version Not Supported"},
};

// -1 for what is no hexadecimal digit.
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<std::string> decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      decoded += ' ';
    } else if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return reject("the query has a '%' that no two hexadecimal digits follow: " + quoted(text));
      }
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  if (decoded.find('\0') != std::string::npos || !is_utf8(as_bytes(decoded))) {
    return reject("the query is not UTF-8 text: " + quoted(text));
  }
  return decoded;
}

}  // namespace

const std::string& Request::header(std::string_view name) const {
  static const std::string none;
  const auto found = std::ranges::find(headers, name, &Headers::value_type::first);
  return found == headers.end() ? none : found->second;
}

Response respond(unsigned status, std::string content_type, std::string body) {
  Response response;
  response.status = status;
  response.headers.emplace_back("Content-Type", std::move(content_type));
  response.body = std::make_shared<const std::string>(std::move(body));
  return response;
}

Response problem(unsigned status, std::string_view title, std::string_view detail) {
  boost::json::object members;
  members["type"] = "about:blank";
  members["title"] = title;
  members["status"] = status;
  members["detail"] = detail;
  return respond(status, "application/problem+json", boost::json::serialize(members));
}

Response busy(std::string_view detail, unsigned retry_after_seconds) {
  Response response = problem(503, reason_phrase(503), detail);
  response.headers.emplace_back("Retry-After", std::to_string(retry_after_seconds));
  return response;
}

Response event_stream(std::shared_ptr<EventFeed> feed) {
  Response response;
  response.headers = {{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}};
  response.events = std::move(feed);
  return response;
}

std::string_view reason_phrase(unsigned status) {
  const auto found = std::ranges::find(kPhrases, status, &Phrase::status);
  return found == kPhrases.end() ? "Status" : found->words;
}

Result<Parameters> query_parameters(std::string_view query) {
  Parameters parameters;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    if (parameters.size() == kMaxParameters) {
      return reject("the query has more than " + std::to_string(kMaxParameters) + " parameters");
    }
    const auto equals = std::min(pair.find('='), pair.size());
    TRY(auto name, decode(pair.substr(0, equals)));
    TRY(auto value, decode(pair.substr(std::min(equals + 1, pair.size()))));
    parameters.emplace_back(std::move(name), std::move(value));
  }
  return parameters;
}

}  // namespace pgtally::http
