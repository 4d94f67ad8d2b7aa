// Requests over http and https, with a limit on everything that the other side could drag out.
//
// - No other scheme, not by a redirect either. Redirects are followed for GET and HEAD only, at most
//   kMaxRedirects of them, and never from https to http.
// - The answer's body is decompressed (gzip); the limit is on what comes out. Its header may have
//   kMaxHeaderSize bytes.
// - The timeout is for the whole exchange, from the name lookup to the last byte of the body.
// - Connections are kept open and used again by the same client; certificates are always checked.
//
// Errors: kReject for a URL that is none, and for an answer larger than its limit; kRetry for
// everything that may go better next time: no connection, no answer in time, a connection that
// breaks off, a certificate that does not verify, a redirect that is not followed. A status such as
// 404 or 500 is an answer, not an error.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pgtally/result.h"

namespace pgtally {

inline constexpr long kMaxRedirects = 4;
inline constexpr std::size_t kMaxHeaderSize = std::size_t{64} << 10;

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";  // GET, HEAD or POST
  std::string url = {};
  HttpHeaders headers = {};  // name and value
  std::string body = {};     // of a POST
  std::chrono::milliseconds timeout{30'000};
  std::size_t max_body = std::size_t{1} << 20;  // of the answer
};

struct HttpResponse {
  unsigned status = 0;
  HttpHeaders headers;  // names in lower case, in the order in which they came
  std::string body;

  // The first of that name, which is in lower case; empty if there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;
};

// For one thread at a time.
class HttpClient {
 public:
  // `cancelled` is asked several times a second while something is under way; once it says true, all
  // that is under way ends with kRetry.
  explicit HttpClient(std::function<bool()> cancelled = {});
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;
  ~HttpClient();

  [[nodiscard]] Result<HttpResponse> send(const HttpRequest& request);

  // All at once, over at most kMaxConnections connections; the answers in the order of the requests.
  // A request that has to wait for a connection waits within its timeout.
  static constexpr long kMaxConnections = 6;
  [[nodiscard]] std::vector<Result<HttpResponse>> send_all(std::span<const HttpRequest> requests);

 private:
  class Transfers;
  std::unique_ptr<Transfers> transfers_;
};

}  // namespace pgtally
