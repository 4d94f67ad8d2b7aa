#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <vector>

#include "http/transport.h"

namespace pgtally::http {
namespace asio = boost::asio;

namespace {

class PlainConnection final : public Connection {
 public:
  PlainConnection(std::shared_ptr<Loop> loop, asio::ip::tcp::socket socket, std::string peer)
      : Connection(std::move(loop), std::move(peer)), socket_(std::move(socket)) {}

 private:
  [[nodiscard]] auto self() {
    return std::static_pointer_cast<PlainConnection>(shared_from_this());
  }

  void handshake() override { on_handshake(true); }

  void read_some(std::span<char> space) override {
    socket_.async_read_some(
        asio::buffer(space.data(), space.size()),
        [self = self()](const auto& code, std::size_t size) { self->on_read(code ? 0 : size); });
  }

  // At once where the socket has room, which it nearly always has: that saves a round through the
  // loop for each answer.
  Write write(std::span<const std::string_view> parts) override {
    buffers_.clear();
    for (const auto& part : parts) buffers_.emplace_back(part.data(), part.size());
    boost::system::error_code code;
    std::size_t written = socket_.write_some(buffers_, code);
    if (!code && written == asio::buffer_size(buffers_)) return Write::kDone;
    if (code) written = 0;  // an error that is none of a full socket shows in what follows
    while (written > 0 && written >= buffers_.front().size()) {
      written -= buffers_.front().size();
      buffers_.erase(buffers_.begin());
    }
    buffers_.front() += written;
    asio::async_write(
        socket_, std::move(buffers_),
        [self = self()](const auto& failed, std::size_t) { self->on_written(!failed); });
    return Write::kLater;
  }

  void end_output() override {
    boost::system::error_code code;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, code);
    on_output_ended(!code);
  }

  void close_transport() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

  asio::ip::tcp::socket socket_;
  std::vector<asio::const_buffer> buffers_;
};

}  // namespace

std::shared_ptr<Connection> make_plain_connection(std::shared_ptr<Loop> loop,
                                                  asio::ip::tcp::socket socket, std::string peer) {
  return std::make_shared<PlainConnection>(std::move(loop), std::move(socket), std::move(peer));
}

}  // namespace pgtally::http
