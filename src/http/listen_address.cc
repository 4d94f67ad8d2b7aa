#include "http/listen_address.h"

#include <boost/asio/ip/address.hpp>

#include "base/encoding.h"

namespace pgtally::http {
namespace {

Error not_understood(std::string_view text) {
  return reject("not an address to listen on: " + quoted(text),
                "Write ADDRESS:PORT, such as 127.0.0.1:8080, [::1]:8080, or 0.0.0.0:8080 for all "
                "addresses of this host.");
}

}  // namespace

std::string ListenAddress::text() const {
  const bool is_ipv6 = address.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return not_understood(text);
  auto host = text.substr(0, colon);
  const bool has_brackets = host.starts_with('[') && host.ends_with(']');
  if (has_brackets) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";

  const auto port = parse_decimal(text.substr(colon + 1));
  boost::system::error_code code;
  const auto address = boost::asio::ip::make_address(std::string(host), code);
  if (code || address.is_v6() != has_brackets || !port.ok() || *port > 65535) {
    return not_understood(text);
  }
  return ListenAddress{address.to_string(), static_cast<std::uint16_t>(*port)};
}

}  // namespace pgtally::http
