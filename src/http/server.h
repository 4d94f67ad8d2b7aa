// An HTTP/1.1 server that knows nothing of ledgers: it hands whole requests to a Handler and sends its
// answers.
//
// - One thread serves all connections. Nothing on it blocks; work that does belongs to Workers.
// - Requests of one connection are handled one after the other; those that were pipelined and can be
//   answered at once are answered with one write.
// - Everything that a client could draw out has a limit (limits.h). What is malformed gets a 4xx and
//   loses its connection; nothing that a client sends or leaves unsent delays others.
// - With certificate and key it speaks TLS 1.2 and 1.3 and nothing else on that port.
//
// Spec: RFC 9110, RFC 9112.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "http/limits.h"
#include "http/message.h"
#include "pgtally/result.h"

namespace pgtally::http {

class Loop;

struct ServerOptions {
  std::string listen;  // "127.0.0.1:8080", "[::1]:8080", "localhost:0"; port 0: any free one
  std::string tls_certificate;  // PEM file, the chain with the server's own first; empty: no TLS
  std::string tls_key;          // PEM file
  Limits limits = {};
};

// Since the start, except the two that say "now".
struct ServerCounts {
  std::uint64_t connections = 0;    // now
  std::uint64_t event_streams = 0;  // now
  std::uint64_t accepted = 0;       // connections
  std::uint64_t refused = 0;        // connections that got a 503, or were closed to make room
  std::uint64_t requests = 0;       // whole ones, which the handler was given
  std::uint64_t malformed = 0;      // what was answered without the handler
  std::uint64_t timed_out = 0;      // connections that were closed because of a limit of time
  std::uint64_t bytes_sent = 0;
};

class Server {
 public:
  // Listens and serves when it returns. `handler` outlives the server. kOperator: the address cannot
  // be had, or certificate and key cannot be used.
  [[nodiscard]] static Result<std::unique_ptr<Server>> start(ServerOptions options,
                                                             Handler& handler);
  // Stops if stop() was not called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Where it listens, "127.0.0.1:43121" with the port that it was given; and as a URL.
  [[nodiscard]] std::string address() const;
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::string url() const;

  // Reads certificate and key again, for connections that are made from now on. If it fails, the old
  // ones go on being used. Nothing to do without TLS. Any thread.
  [[nodiscard]] Result<void> reload_certificate();

  // Takes no new connections, ends event streams, lets what is under way finish (Limits::drain), and
  // returns when all is closed. The handler is not called afterwards.
  void stop();

  [[nodiscard]] ServerCounts counts() const;  // any thread

 private:
  explicit Server(std::shared_ptr<Loop> loop);
  const std::shared_ptr<Loop> loop_;
  const std::string address_;
  const std::uint16_t port_;
};

}  // namespace pgtally::http
