// An HTTP server for tests of clients: what it answers, byte for byte, is the test's to say.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace pgtally::test {

class ScriptedServer {
 public:
  // The request's header and body in, all bytes of the answer out; nothing closes the connection. It
  // is called from one thread for each connection.
  using Answer = std::function<std::string(const std::string& request)>;

  explicit ScriptedServer(Answer answer) : answer_(std::move(answer)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0 ||
        ::getsockname(listener_, generic, &size) != 0) {
      throw std::runtime_error("cannot listen");
    }
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer() {
    stopping_ = true;
    acceptor_.join();
    for (std::thread& each : threads_) each.join();
    ::close(listener_);
  }

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] int connections() const { return connections_; }
  // The first lines of all requests so far.
  [[nodiscard]] std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void accept_all() {
    while (!stopping_) {
      if (!readable(listener_)) continue;
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) continue;
      ++connections_;
      threads_.emplace_back([this, connection] {
        serve(connection);
        ::close(connection);
      });
    }
  }

  [[nodiscard]] static bool readable(int descriptor) {
    pollfd waiting{descriptor, POLLIN, 0};
    return ::poll(&waiting, 1, 20) > 0;
  }

  void serve(int connection) {
    std::string received;
    while (!stopping_) {
      const std::size_t end = received.find("\r\n\r\n");
      if (end != std::string::npos && received.size() >= end + 4 + body_size(received)) {
        const std::string request = received.substr(0, end + 4 + body_size(received));
        received.erase(0, request.size());
        {
          const std::lock_guard lock(mutex_);
          requests_.push_back(request.substr(0, request.find('\r')));
        }
        const std::string answer = answer_(request);
        if (answer.empty() || !send_all(connection, answer)) return;
        if (answer.find("Connection: close") != std::string::npos) return;
        continue;
      }
      if (!readable(connection)) continue;
      char piece[4096];
      const ssize_t count = ::recv(connection, piece, sizeof piece, 0);
      if (count <= 0) return;
      received.append(piece, static_cast<std::size_t>(count));
    }
  }

  [[nodiscard]] static std::size_t body_size(const std::string& request) {
    const std::size_t at = request.find("Content-Length: ");
    return at == std::string::npos ? 0 : std::stoul(request.substr(at + 16));
  }

  [[nodiscard]] static bool send_all(int connection, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

  Answer answer_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

inline std::string http_answer(int status, const std::string& body,
                               const std::string& headers = {}) {
  return "HTTP/1.1 " + std::to_string(status) +
         " Text\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" +
         body;
}

// Serves the files of a directory, as nginx would.
inline ScriptedServer::Answer serving(const std::string& directory) {
  return [directory](const std::string& request) {
    const std::size_t begin = request.find(' ') + 1;
    const std::string path = request.substr(begin, request.find(' ', begin) - begin);
    std::ifstream file(directory + path, std::ios::binary);
    if (!file) return http_answer(404, "");
    return http_answer(200, {std::istreambuf_iterator<char>(file), {}});
  };
}

}  // namespace pgtally::test
