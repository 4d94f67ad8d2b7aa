// A client that sends what it is told, byte by byte, and reads what comes.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgtally::http::test {

struct RawResponse {
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  [[nodiscard]] std::string header(std::string_view name) const;  // empty if there is none
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient();

  // False if the server has closed the connection.
  bool send(std::string_view bytes);
  void end_output();  // the client's half is closed, as by shutdown(2)

  using Time = std::chrono::milliseconds;
  // Nothing if the connection ends, or time passes, before one is whole. Its body is as long as
  // Content-Length says; none for a HEAD (`has_body` false) and a 304.
  std::optional<RawResponse> receive(bool has_body = true, Time time = Time(5000));
  // Everything up to the end of the connection; nothing if it does not end in time.
  std::optional<std::string> receive_to_end(Time time = Time(5000));
  // Waits until `text` has come, and takes everything up to its end; nothing if it does not.
  std::optional<std::string> receive_until(std::string_view text, Time time = Time(5000));
  bool is_closed_within(Time time);

  std::optional<RawResponse> get(std::string_view target);

 private:
  // False at the end of the connection or of the time.
  bool read_some(std::chrono::steady_clock::time_point until);

  int socket_;
  bool ended_ = false;
  std::string received_;
};

}  // namespace pgtally::http::test
