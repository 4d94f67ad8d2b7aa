// What goes into and comes out of the HTTP server, in plain types that know no network.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pgtally/result.h"

namespace pgtally::http {

class EventFeed;

using Headers = std::vector<std::pair<std::string, std::string>>;

// A whole request within the limits of limits.h. Nothing in it is checked but its grammar: path and
// query are as they were sent, with their percent signs.
struct Request {
  std::string
      method;  // "GET", "POST", …; a HEAD comes as a GET, and the server leaves out the body
  std::string
      target;  // the path and, after a '?', the query; the authority of an absolute URL is cut
  std::string path;  // begins with '/'
  std::string query;
  std::string body;
  Headers headers;   // names in lower case
  std::string peer;  // the address of the client, without its port

  // The first of that name, which is given in lower case; empty if there is none.
  [[nodiscard]] const std::string& header(std::string_view name) const;
};

// The server adds Date, Content-Length, Connection, ETag, Vary and Content-Encoding by itself, makes
// a 304 of a 200 that the client has already (If-None-Match), and leaves out the body for HEAD.
struct Response {
  unsigned status = 200;
  Headers headers;                             // Content-Type and whatever else
  std::shared_ptr<const std::string> body;     // none: empty
  std::string etag;                            // without its quotes; empty: none
  bool compressible = false;                   // gzip it for clients that accept that
  std::shared_ptr<const std::string> gzipped;  // the body as gzip() gave it, where that was kept
  std::shared_ptr<EventFeed> events;           // instead of a body: see event_feed.h
};

// Called exactly once for each request, from any thread. If the last copy of it is destroyed without
// a call, the client gets a 500.
using Answer = std::function<void(Response)>;

class Handler {
 public:
  virtual ~Handler() = default;
  // Called on the thread that serves all connections: it must not block. Answers at once, or keeps
  // `answer` and leaves the work to others (workers.h).
  virtual void handle(Request request, Answer answer) = 0;
};

[[nodiscard]] Response respond(unsigned status, std::string content_type, std::string body);

// An error as application/problem+json: {"type":"about:blank","title":…,"status":…,"detail":…}.
// Spec: RFC 9457.
[[nodiscard]] Response problem(unsigned status, std::string_view title, std::string_view detail);

// A 503 for more work than there is room for, with Retry-After.
[[nodiscard]] Response busy(std::string_view detail, unsigned retry_after_seconds = 1);

// The answer that becomes a listener of `feed`.
[[nodiscard]] Response event_stream(std::shared_ptr<EventFeed> feed);

// The standard words for a status code: "Not Found".
[[nodiscard]] std::string_view reason_phrase(unsigned status);

// name=value&… with %XX and '+' decoded, in order. Refuses what is not UTF-8 or holds a NUL, a '%'
// that two hexadecimal digits do not follow, and more than kMaxParameters.
// Spec: the WHATWG URL standard, application/x-www-form-urlencoded.
inline constexpr std::size_t kMaxParameters = 64;
using Parameters = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Result<Parameters> query_parameters(std::string_view query);

}  // namespace pgtally::http
