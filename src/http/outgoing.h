// An answer in the bytes in which it is sent: status line and fields, then the body.
//
// Everything that HTTP asks of a server beyond what the handler said is decided here: HEAD, 304, gzip,
// the length, and whether the connection stays open.
// Spec: RFC 9110 sections 8 and 13, RFC 9112.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/message.h"

namespace pgtally::http {

// What of a request decides how its answer is sent.
struct RequestFacts {
  bool is_get = false;  // or HEAD
  bool is_head = false;
  bool is_http_1_0 = false;
  bool keep_alive = false;
  std::string if_none_match;
  std::string accept_encoding;
};
[[nodiscard]] RequestFacts facts_of(const Request& request);  // without is_head and what follows

struct Outgoing {
  std::string head;  // everything before the body
  std::shared_ptr<const std::string> body;
  bool keep_alive = false;
  std::shared_ptr<EventFeed> events;
};

// A body that is not compressed yet is compressed here, unless it is longer than `most_compressed`.
[[nodiscard]] Outgoing make_outgoing(Response response, const RequestFacts& facts,
                                     std::size_t most_compressed);

// Whether an If-None-Match field names `etag` (without its quotes), or says '*'. The comparison is the
// weak one.
[[nodiscard]] bool matches_etag(std::string_view if_none_match, std::string_view etag);

}  // namespace pgtally::http
