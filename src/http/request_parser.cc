// Beast asserts that the last chunk comes whole, although it copes well with one that does not.
#define BOOST_DISABLE_ASSERTS
#include "http/request_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <optional>

#include "base/encoding.h"

namespace pgtally::http {
namespace beast = boost::beast;
using beast::http::error;

namespace {

constexpr std::size_t kBodyReserve = std::size_t{64} << 10;

std::string lower_case(beast::string_view text) {
  std::string lower(text.data(), text.size());
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

unsigned status_of(beast::error_code code) {
  if (code == error::header_limit) return 431;
  if (code == error::body_limit) return 413;
  if (code == error::bad_version) return 505;
  return 400;
}

// The target without scheme and authority, which a client may send as if to a proxy; empty if it is
// neither that nor a path.
std::string_view origin_form(std::string_view target) {
  if (target.starts_with('/')) return target;
  const auto scheme = target.find("://");
  if (scheme == std::string_view::npos) return {};
  const auto name = target.substr(0, scheme);
  if (!beast::iequals(name, "http") && !beast::iequals(name, "https")) return {};
  const auto path = target.find_first_of("/?", scheme + 3);
  if (path == std::string_view::npos) return "/";
  return target[path] == '/' ? target.substr(path) : std::string_view();
}

bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

class RequestParser::Grammar {
 public:
  explicit Grammar(const Limits& limits) : limits_(limits) { renew(); }

  void renew() {
    request = Request();
    version = 0;
    header_done = false;
    hosts = 0;
    transfer_encoding.clear();
    expect.clear();
    events_.emplace(*this);
    events_->eager(false);  // one call takes the header and no more
    events_->header_limit(static_cast<std::uint32_t>(limits_.header));
    events_->body_limit(limits_.body);
  }

  beast::http::basic_parser<true>& beast_parser() { return *events_; }

  Request request;
  int version = 0;  // 10 or 11
  bool header_done = false;
  std::size_t hosts = 0;
  std::string transfer_encoding;
  std::string expect;

 private:
  class Events final : public beast::http::basic_parser<true> {
   public:
    explicit Events(Grammar& to) : to_(to) {}

   private:
    using Code = beast::error_code;
    using View = beast::string_view;

    void on_request_impl(beast::http::verb, View method, View target, int http, Code&) override {
      to_.version = http;
      to_.request.method.assign(method.data(), method.size());
      to_.request.target.assign(target.data(), target.size());
    }
    void on_response_impl(int, View, int, Code&) override {}
    void on_field_impl(beast::http::field name, View text, View value, Code& code) override {
      if (to_.header_done) return;  // a trailer
      if (to_.request.headers.size() == to_.limits_.header_fields) {
        code = error::header_limit;
        return;
      }
      if (name == beast::http::field::host) ++to_.hosts;
      if (name == beast::http::field::transfer_encoding) {
        to_.transfer_encoding += lower_case(value);
      }
      if (name == beast::http::field::expect) to_.expect = lower_case(value);
      to_.request.headers.emplace_back(lower_case(text), std::string(value.data(), value.size()));
    }
    void on_header_impl(Code&) override { to_.header_done = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>& length, Code&) override {
      if (length) to_.request.body.reserve(std::min<std::size_t>(*length, kBodyReserve));
    }
    std::size_t on_body_impl(View body, Code&) override {
      to_.request.body.append(body.data(), body.size());
      return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, View, Code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, View body, Code& code) override {
      return on_body_impl(body, code);
    }
    void on_finish_impl(Code&) override {}

    Grammar& to_;
  };

  const Limits& limits_;
  std::optional<Events> events_;
};

RequestParser::RequestParser(const Limits& limits)
    : limits_(limits), grammar_(std::make_unique<Grammar>(limits)) {}
RequestParser::~RequestParser() = default;

std::size_t RequestParser::take(std::string_view arrived) {
  if (state_ == State::kComplete || state_ == State::kBad) return 0;
  std::size_t used = state_ == State::kNothing ? skip_empty_lines(arrived) : 0;
  if (header_bytes_ >= limits_.header)
    fail(431, "there are more empty lines than this server takes");
  if (state_ == State::kNothing && arrived.substr(used) == "\r") return used;
  auto& parser = grammar_->beast_parser();
  while (used < arrived.size() && state_ != State::kBad && !parser.is_done()) {
    if (state_ == State::kNothing) state_ = State::kHeader;
    beast::error_code code;
    const auto rest = arrived.substr(used);
    const std::size_t taken = parser.put(boost::asio::buffer(rest.data(), rest.size()), code);
    used += taken;
    if (!header_checked_) header_bytes_ += taken;
    if (grammar_->header_done && !header_checked_ && (!code || code == error::need_more)) {
      check_header();
    }
    if (code == error::need_more || (!code && taken == 0)) break;
    if (code) fail(status_of(code), code.message());
  }
  if (state_ == State::kBad) return used;
  if (parser.is_done()) {
    state_ = State::kComplete;
    return used;
  }
  // What waits for more: a piece of the header, or the line that begins a chunk.
  const std::size_t waiting = arrived.size() - used + (grammar_->header_done ? 0 : header_bytes_);
  if (waiting >= limits_.header) fail(431, "the header is longer than this server takes");
  return used;
}

// Lines that some clients send behind a body. They count as header, so that nobody sends them for ever.
std::size_t RequestParser::skip_empty_lines(std::string_view arrived) {
  std::size_t used = 0;
  while (arrived.substr(used).starts_with("\r\n")) used += 2;
  header_bytes_ += used;
  return used;
}

void RequestParser::check_header() {
  header_checked_ = true;
  state_ = State::kBody;
  // Beast's own limit is on the fields alone, if they come at once.
  if (header_bytes_ > limits_.header)
    return fail(431, "the header is longer than this server takes");
  auto& request = grammar_->request;
  keep_alive_ = grammar_->beast_parser().keep_alive();
  is_http_1_0_ = grammar_->version < 11;
  is_head_ = request.method == "HEAD";
  if (is_head_) request.method = "GET";

  if (request.target.size() > limits_.target) {
    return fail(414, "the target is longer than this server takes");
  }
  const auto target = origin_form(request.target);
  if (target.empty() || !is_visible_ascii(target) || target.find('#') != std::string_view::npos) {
    return fail(400, "the target is no path: " + quoted(request.target));
  }
  request.target = std::string(target);
  const auto end = std::min(request.target.find('?'), request.target.size());
  request.path = request.target.substr(0, end);
  if (end < request.target.size()) request.query = request.target.substr(end + 1);

  const auto& coding = grammar_->transfer_encoding;
  if (!coding.empty() && coding != "chunked") {
    return fail(501, "the only transfer coding that this server takes is chunked");
  }
  if (grammar_->hosts > 1 || (grammar_->hosts == 0 && !is_http_1_0_)) {
    return fail(400, "a request has exactly one Host field");
  }
  if (is_http_1_0_ && !coding.empty()) return fail(400, "HTTP/1.0 has no transfer codings");
  if (grammar_->expect == "100-continue") {
    expectation_ = !is_http_1_0_;
  } else if (!grammar_->expect.empty()) {
    return fail(417, "the only expectation that this server meets is 100-continue");
  }
}

bool RequestParser::take_expectation() {
  return std::exchange(expectation_, false);
}

Request RequestParser::take_request() {
  Request request = std::move(grammar_->request);
  grammar_->renew();
  state_ = State::kNothing;
  header_bytes_ = 0;
  header_checked_ = false;
  expectation_ = false;
  return request;
}

void RequestParser::fail(unsigned status, std::string reason) {
  state_ = State::kBad;
  keep_alive_ = false;
  bad_status_ = status;
  bad_reason_ = std::move(reason);
}

}  // namespace pgtally::http
