// What carries the bytes of a connection.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "http/connection.h"

namespace pgtally::http {

[[nodiscard]] std::shared_ptr<Connection> make_plain_connection(std::shared_ptr<Loop> loop,
                                                                boost::asio::ip::tcp::socket socket,
                                                                std::string peer);

// A connection keeps the certificate that it began with. It needs some 80 kB, where a plain one
// needs 6.
[[nodiscard]] std::shared_ptr<Connection> make_tls_connection(
    std::shared_ptr<Loop> loop, boost::asio::ip::tcp::socket socket, std::string peer,
    std::shared_ptr<boost::asio::ssl::context> context);

}  // namespace pgtally::http
