// Makes requests of the bytes of a connection, which may come in pieces of any size.
//
// It is stricter than the grammar where leniency has been used to smuggle requests past a proxy: a
// Host exactly once, no Transfer-Encoding but "chunked", never together with a Content-Length, no
// line that ends without CR. Trailers are read and dropped.
// Spec: RFC 9112.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/limits.h"
#include "http/message.h"

namespace pgtally::http {

class RequestParser {
 public:
  explicit RequestParser(const Limits& limits);  // which outlive it
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Takes the front of what has arrived, up to the end of one request at most, and says how much.
  // What it leaves has to come again at the front of the next call, with more behind it; that is
  // always less than Limits::header.
  std::size_t take(std::string_view arrived);

  enum class State { kNothing, kHeader, kBody, kComplete, kBad };
  [[nodiscard]] State state() const { return state_; }

  // Once kComplete; then it is ready for the next one.
  [[nodiscard]] Request take_request();

  // Once the header is complete.
  [[nodiscard]] bool is_head() const { return is_head_; }
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  [[nodiscard]] bool is_http_1_0() const { return is_http_1_0_; }
  // True once, if the client waits for a "100 Continue" before it sends the body.
  [[nodiscard]] bool take_expectation();

  // Once kBad: what to answer, before the connection is closed.
  [[nodiscard]] unsigned bad_status() const { return bad_status_; }
  [[nodiscard]] const std::string& bad_reason() const { return bad_reason_; }

 private:
  class Grammar;  // Beast's parser
  void fail(unsigned status, std::string reason);
  void check_header();
  std::size_t skip_empty_lines(std::string_view arrived);

  const Limits& limits_;
  std::unique_ptr<Grammar> grammar_;
  State state_ = State::kNothing;
  std::size_t header_bytes_ = 0;
  bool header_checked_ = false;
  bool is_head_ = false;
  bool keep_alive_ = false;
  bool is_http_1_0_ = false;
  bool expectation_ = false;
  unsigned bad_status_ = 0;
  std::string bad_reason_;
};

}  // namespace pgtally::http
