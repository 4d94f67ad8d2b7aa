// Requests as they come from a connection: the first byte says in pieces of which size. However they
// are cut, the same requests come out, and what comes out is within the limits.
#include <string>
#include <vector>

#include "http/compress.h"
#include "http/outgoing.h"
#include "http/request_parser.h"
#include "pgtally/types.h"
#include "require.h"

namespace {

using namespace pgtally;

constexpr std::size_t kMost = 64;  // requests of one input

http::Limits small_limits() {
  http::Limits limits;
  limits.target = 128;
  limits.header = 512;
  limits.header_fields = 8;
  limits.body = 256;
  return limits;
}
const http::Limits kLimits = small_limits();

struct Outcome {
  std::vector<http::Request> requests;
  unsigned bad_status = 0;
};

Outcome parse(std::string_view bytes, std::size_t piece) {
  Outcome outcome;
  http::RequestParser parser(kLimits);
  std::string waiting;
  for (;;) {
    const std::size_t taken = parser.take(waiting);
    require(taken <= waiting.size());
    waiting.erase(0, taken);
    if (parser.state() == http::RequestParser::State::kBad) {
      outcome.bad_status = parser.bad_status();
      return outcome;
    }
    if (parser.state() == http::RequestParser::State::kComplete) {
      outcome.requests.push_back(parser.take_request());
      if (outcome.requests.size() == kMost) return outcome;
      continue;
    }
    require(waiting.size() < kLimits.header);
    if (bytes.empty()) return outcome;
    waiting += bytes.substr(0, piece);
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
}

void check(const http::Request& request) {
  require(request.path.starts_with('/') && request.target.size() <= kLimits.target);
  require(request.target.starts_with(request.path));
  require(request.headers.size() <= kLimits.header_fields);
  require(request.body.size() <= kLimits.body);
  for (const auto& [name, value] : request.headers) {
    require(name.find_first_of("\r\n ") == std::string::npos);
    require(value.find_first_of("\r\n") == std::string::npos);
  }
  const auto query = http::query_parameters(request.query);
  require(!query.ok() || query->size() <= http::kMaxParameters);
  (void)http::accepts_gzip(request.header("accept-encoding"));
  (void)http::matches_etag(request.header("if-none-match"), "tag");
  http::Response response = http::respond(200, "text/plain", request.body);
  response.etag = "tag";
  const auto sent = http::make_outgoing(response, http::facts_of(request), 0);
  require(sent.head.ends_with("\r\n\r\n"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto bytes = pgtally::as_text({data + 1, size - 1});
  const Outcome whole = parse(bytes, bytes.size() + 1);
  const Outcome cut = parse(bytes, data[0] % 64 + std::size_t{1});
  for (const auto& request : whole.requests) check(request);
  require(whole.requests.size() == cut.requests.size());
  // Of a header that came in pieces, what is wrong may show only at its end.
  require(cut.bad_status == 0 || whole.bad_status != 0);
  for (std::size_t i = 0; i < whole.requests.size(); ++i) {
    require(whole.requests[i].target == cut.requests[i].target);
    require(whole.requests[i].headers == cut.requests[i].headers);
    require(whole.requests[i].body == cut.requests[i].body);
  }

  // Queries need not come through a whole request.
  const auto query = pgtally::http::query_parameters(bytes);
  require(!query.ok() || query->size() <= pgtally::http::kMaxParameters);
  (void)pgtally::http::accepts_gzip(bytes);
  (void)pgtally::http::matches_etag(bytes, "tag");
  return 0;
}
