#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include "http/transport.h"

namespace pgtally::http {
namespace asio = boost::asio;

namespace {

class TlsConnection final : public Connection {
 public:
  TlsConnection(std::shared_ptr<Loop> loop, asio::ip::tcp::socket socket, std::string peer,
                std::shared_ptr<asio::ssl::context> context)
      : Connection(std::move(loop), std::move(peer)),
        context_(std::move(context)),
        stream_(std::move(socket), *context_) {}

 private:
  [[nodiscard]] auto self() { return std::static_pointer_cast<TlsConnection>(shared_from_this()); }

  void handshake() override {
    stream_.async_handshake(asio::ssl::stream_base::server,
                            [self = self()](const auto& code) { self->on_handshake(!code); });
  }

  void read_some(std::span<char> space) override {
    stream_.async_read_some(
        asio::buffer(space.data(), space.size()),
        [self = self()](const auto& code, std::size_t size) { self->on_read(code ? 0 : size); });
  }

  // In one piece, because each buffer would become a record of its own.
  Write write(std::span<const std::string_view> parts) override {
    output_.clear();
    for (const auto& part : parts) output_ += part;
    asio::async_write(stream_, asio::buffer(output_),
                      [self = self()](const auto& code, std::size_t) {
                        self->output_ = std::string();
                        self->on_written(!code);
                      });
    return Write::kLater;
  }

  // The client hears that this was all, and is given the time to say the same.
  void end_output() override {
    stream_.async_shutdown([self = self()](const auto&) { self->on_output_ended(false); });
  }

  void close_transport() override {
    boost::system::error_code ignored;
    stream_.lowest_layer().close(ignored);
  }

  const std::shared_ptr<asio::ssl::context> context_;
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  std::string output_;
};

}  // namespace

std::shared_ptr<Connection> make_tls_connection(std::shared_ptr<Loop> loop,
                                                asio::ip::tcp::socket socket, std::string peer,
                                                std::shared_ptr<asio::ssl::context> context) {
  return std::make_shared<TlsConnection>(std::move(loop), std::move(socket), std::move(peer),
                                         std::move(context));
}

}  // namespace pgtally::http
