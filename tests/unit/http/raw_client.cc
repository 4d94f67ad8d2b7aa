#include "raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>

namespace pgtally::http::test {
namespace {

using Clock = std::chrono::steady_clock;

RawResponse parse_head(std::string_view head) {
  RawResponse response;
  response.status = static_cast<unsigned>(std::stoul(std::string(head.substr(9, 3))));
  for (auto line = head.find("\r\n") + 2; line < head.size();) {
    const auto end = head.find("\r\n", line);
    const auto colon = head.find(": ", line);
    if (end == line || colon > end) break;
    std::string name(head.substr(line, colon - line));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    response.headers.emplace_back(name, head.substr(colon + 2, end - colon - 2));
    line = end + 2;
  }
  return response;
}

}  // namespace

std::string RawResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

RawClient::RawClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("the test server takes no connection");
  }
}

RawClient::RawClient(RawClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      ended_(other.ended_),
      received_(std::move(other.received_)) {}

RawClient::~RawClient() {
  if (socket_ >= 0) ::close(socket_);
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void RawClient::end_output() {
  ::shutdown(socket_, SHUT_WR);
}

bool RawClient::read_some(Clock::time_point until) {
  if (ended_) return false;
  const auto left = std::chrono::duration_cast<Time>(until - Clock::now()).count();
  pollfd waiting = {socket_, POLLIN, 0};
  if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) != 1) return false;
  std::array<char, 65536> space;
  const auto size = ::recv(socket_, space.data(), space.size(), 0);
  ended_ = size <= 0;
  if (!ended_) received_.append(space.data(), static_cast<std::size_t>(size));
  return !ended_;
}

std::optional<RawResponse> RawClient::receive(bool has_body, Time time) {
  const auto until = Clock::now() + time;
  std::size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!read_some(until)) return std::nullopt;
  }
  end += 4;
  RawResponse response = parse_head(std::string_view(received_).substr(0, end));
  const auto length = response.header("content-length");
  const std::size_t size = has_body && !length.empty() ? std::stoul(length) : 0;
  while (received_.size() < end + size) {
    if (!read_some(until)) return std::nullopt;
  }
  response.body = received_.substr(end, size);
  received_.erase(0, end + size);
  return response;
}

std::optional<std::string> RawClient::receive_to_end(Time time) {
  const auto until = Clock::now() + time;
  while (read_some(until)) {
  }
  if (!ended_) return std::nullopt;
  return std::exchange(received_, {});
}

std::optional<std::string> RawClient::receive_until(std::string_view text, Time time) {
  const auto until = Clock::now() + time;
  std::size_t found = 0;
  while ((found = received_.find(text)) == std::string::npos) {
    if (!read_some(until)) return std::nullopt;
  }
  std::string taken = received_.substr(0, found + text.size());
  received_.erase(0, taken.size());
  return taken;
}

bool RawClient::is_closed_within(Time time) {
  return receive_to_end(time).has_value();
}

std::optional<RawResponse> RawClient::get(std::string_view target) {
  if (!send("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n")) return std::nullopt;
  return receive();
}

}  // namespace pgtally::http::test
