// Every limit of the HTTP server. What is over a limit gets the status that stands beside it, or a
// closed connection where there is nobody to answer.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace pgtally::http {

struct Limits {
  std::size_t target = 4096;                // bytes of path and query: 414
  std::size_t header = 16 << 10;            // bytes of the request line and all fields: 431
  std::size_t header_fields = 100;          // 431
  std::size_t body = std::size_t{1} << 20;  // bytes: 413

  std::size_t connections = 4096;    // another one takes the place of the one that has waited
                                     // longest for a request, or else gets a 503
  std::size_t event_streams = 2048;  // of these: 503
  std::uint64_t requests_per_connection = 100'000;  // then the connection is closed in order

  std::chrono::milliseconds tls_handshake{10'000};
  std::chrono::milliseconds idle{60'000};           // between two requests
  std::chrono::milliseconds header_time{10'000};    // from a header's first byte to its last: 408
  std::chrono::milliseconds body_time{30'000};      // likewise: 408
  std::chrono::milliseconds answer{60'000};         // of the handler: 503
  std::chrono::milliseconds write{30'000};          // until the client has taken an answer whole
  std::chrono::milliseconds connection{3'600'000};  // then it is closed in order, event streams too
  std::chrono::milliseconds drain{5'000};           // stop() waits that long for what is under way

  std::chrono::milliseconds event_heartbeat{15'000};
  std::size_t event_backlog = 64;  // events that wait for one listener
};

}  // namespace pgtally::http
