// "ADDRESS:PORT" as people write it: "127.0.0.1:8080", "[::1]:8080", "localhost:8080", "[::]:0".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pgtally/result.h"

namespace pgtally::http {

struct ListenAddress {
  std::string address;  // numeric, without brackets
  std::uint16_t port = 0;

  [[nodiscard]] std::string text() const;  // with brackets where they are needed
};

// No names but localhost: which address a server listens on should not depend on a name server.
[[nodiscard]] Result<ListenAddress> parse_listen_address(std::string_view text);

}  // namespace pgtally::http
