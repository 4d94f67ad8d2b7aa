#include "client/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <list>
#include <optional>

#include "base/encoding.h"

namespace pgtally {
namespace {

constexpr std::chrono::milliseconds kConnectTimeout{10'000};
constexpr int kLook = 100;  // milliseconds between two looks at whether it was cancelled

void start_curl_once() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)started;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool has_scheme(std::string_view url, std::string_view scheme) {
  return lower_case(url.substr(0, scheme.size())) == scheme;
}

// One request on its way. Curl keeps pointers into it, so it never moves.
class Transfer {
 public:
  explicit Transfer(const HttpRequest& request) : request_(request), handle_(curl_easy_init()) {
    if (handle_ == nullptr) return;
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
    set(CURLOPT_CONNECTTIMEOUT_MS,
        static_cast<long>(std::min(request_.timeout, kConnectTimeout).count()));
    set(CURLOPT_ACCEPT_ENCODING, "gzip, identity");
    set(CURLOPT_USERAGENT, "pgtally");
    set(CURLOPT_ERRORBUFFER, error_.data());
    set(CURLOPT_WRITEFUNCTION, &Transfer::take_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &Transfer::take_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_PRIVATE, this);
    const bool is_https = has_scheme(request_.url, "https://");
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_REDIR_PROTOCOLS_STR, is_https ? "https" : "http,https");
    set(CURLOPT_MAXREDIRS, kMaxRedirects);
    if (request_.method == "POST") {
      set(CURLOPT_POST, 1L);
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
      set(CURLOPT_POSTFIELDS, request_.body.data());
      // Curl would otherwise wait a second for a server that knows no "100 Continue".
      lines_ = curl_slist_append(lines_, "Expect:");
    } else {
      set(CURLOPT_FOLLOWLOCATION, 1L);
      if (request_.method == "HEAD") set(CURLOPT_NOBODY, 1L);
    }
    for (const auto& [name, value] : request_.headers) {
      lines_ = curl_slist_append(lines_, (name + ": " + value).c_str());
    }
    set(CURLOPT_HTTPHEADER, lines_);
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer() {
    curl_easy_cleanup(handle_);
    curl_slist_free_all(lines_);
  }

  [[nodiscard]] CURL* handle() const { return handle_; }
  void finished(CURLcode code) { code_ = code; }

  [[nodiscard]] Result<HttpResponse> result(bool cancelled) && {
    if (too_large_) {
      return reject("the answer from " + quoted(request_.url, 200) + " is larger than the " +
                    std::to_string(too_large_) + " bytes that are taken");
    }
    if (cancelled && !code_) return retry("asked to stop before " + request_.url + " had answered");
    if (!code_ || *code_ != CURLE_OK) return failure();
    long status = 0;
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    response_.status = static_cast<unsigned>(status);
    return std::move(response_);
  }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(handle_, option, value);
  }

  [[nodiscard]] Error failure() const {
    const CURLcode code = code_.value_or(CURLE_FAILED_INIT);
    const std::string why = error_[0] != '\0' ? error_.data() : curl_easy_strerror(code);
    const std::string message = quoted(request_.url, 200) + ": " + why;
    // Once a server has answered, it is its redirect that cannot be followed.
    const bool is_own_url = header_size_ == 0;
    if (is_own_url && (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)) {
      return reject(message);
    }
    return retry(message);
  }

  static std::size_t take_body(const char* data, std::size_t, std::size_t count, void* self) {
    return static_cast<Transfer*>(self)->add_body({data, count});
  }
  static std::size_t take_header(const char* data, std::size_t, std::size_t count, void* self) {
    return static_cast<Transfer*>(self)->add_header({data, count});
  }

  // Taking less than was given makes curl give up.
  std::size_t add_body(std::string_view piece) {
    if (piece.size() > request_.max_body - response_.body.size()) {
      too_large_ = request_.max_body;
      return 0;
    }
    response_.body += piece;
    return piece.size();
  }

  std::size_t add_header(std::string_view line) {
    header_size_ += line.size();
    if (header_size_ > kMaxHeaderSize) {
      too_large_ = kMaxHeaderSize;
      return 0;
    }
    // What a redirect or an interim answer brought is not part of the last one.
    if (line.starts_with("HTTP/")) {
      response_.headers.clear();
      response_.body.clear();
      return line.size();
    }
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos) {
      response_.headers.emplace_back(lower_case(line.substr(0, colon)),
                                     trimmed(line.substr(colon + 1)));
    }
    return line.size();
  }

  const HttpRequest& request_;
  CURL* handle_;
  curl_slist* lines_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> error_{};
  std::optional<CURLcode> code_;  // once it is over
  std::size_t header_size_ = 0;
  std::size_t too_large_ = 0;  // the limit that was exceeded
  HttpResponse response_;
};

Result<void> check(const HttpRequest& request) {
  if (!has_scheme(request.url, "http://") && !has_scheme(request.url, "https://")) {
    return reject(quoted(request.url, 200) + " is not a URL of http or https");
  }
  if (request.method != "GET" && request.method != "HEAD" && request.method != "POST") {
    return reject("no request can be made with the method " + quoted(request.method));
  }
  for (const auto& [name, value] : request.headers) {
    if ((name + value).find_first_of("\r\n") == std::string::npos) continue;
    return reject("the header " + quoted(name) + " has a line break");
  }
  return {};
}

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
  for (const auto& [each, value] : headers) {
    if (each == name) return value;
  }
  return {};
}

// Invariant: no transfer is in multi_ between two calls, only the connections that were kept.
class HttpClient::Transfers {
 public:
  explicit Transfers(std::function<bool()> cancelled) : cancelled_(std::move(cancelled)) {
    start_curl_once();
    multi_ = curl_multi_init();
    if (multi_ == nullptr) return;
    curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, kMaxConnections);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kMaxConnections);
  }
  Transfers(const Transfers&) = delete;
  Transfers& operator=(const Transfers&) = delete;
  ~Transfers() { curl_multi_cleanup(multi_); }

  [[nodiscard]] std::vector<Result<HttpResponse>> run(std::span<const HttpRequest> requests) {
    std::list<std::optional<Transfer>> transfers;  // nothing for a request that cannot be made
    std::vector<Result<HttpResponse>> results;
    for (const HttpRequest& request : requests) {
      const auto checked = check(request);
      results.emplace_back(checked.ok() ? retry("not sent") : checked.error());
      transfers.emplace_back();
      if (!checked.ok()) continue;
      Transfer& transfer = transfers.back().emplace(request);
      if (transfer.handle() != nullptr) curl_multi_add_handle(multi_, transfer.handle());
    }
    const bool cancelled = !wait();
    auto result = results.begin();
    for (std::optional<Transfer>& transfer : transfers) {
      if (transfer) {
        curl_multi_remove_handle(multi_, transfer->handle());
        *result = std::move(*transfer).result(cancelled);
      }
      ++result;
    }
    return results;
  }

 private:
  // False if it was cancelled.
  bool wait() {
    int running = 0;
    do {
      if (cancelled_ && cancelled_()) return false;
      if (curl_multi_perform(multi_, &running) != CURLM_OK) return true;
      int left = 0;
      while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        Transfer* transfer = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        transfer->finished(message->data.result);
      }
      if (running > 0 && curl_multi_poll(multi_, nullptr, 0, kLook, nullptr) != CURLM_OK) {
        return true;
      }
    } while (running > 0);
    return true;
  }

  std::function<bool()> cancelled_;
  CURLM* multi_ = nullptr;
};

HttpClient::HttpClient(std::function<bool()> cancelled)
    : transfers_(std::make_unique<Transfers>(std::move(cancelled))) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

Result<HttpResponse> HttpClient::send(const HttpRequest& request) {
  return std::move(send_all({&request, 1}).front());
}

std::vector<Result<HttpResponse>> HttpClient::send_all(std::span<const HttpRequest> requests) {
  return transfers_->run(requests);
}

}  // namespace pgtally
