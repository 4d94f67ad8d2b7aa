#include "http/server.h"

#include "http/loop.h"
#include "http/tls.h"

namespace pgtally::http {

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Handler& handler) {
  std::shared_ptr<TlsContext> tls;
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return operator_error("TLS needs both a certificate and a key, and only one of them is set");
  }
  if (!options.tls_certificate.empty()) {
    TRY(tls, TlsContext::load(options.tls_certificate, options.tls_key));
  }
  auto loop = std::make_shared<Loop>(options.limits, handler, std::move(tls));
  TRY_VOID(loop->listen(options.listen));
  loop->start();
  return std::unique_ptr<Server>(new Server(std::move(loop)));
}

Server::Server(std::shared_ptr<Loop> loop)
    : loop_(std::move(loop)), address_(loop_->address()), port_(loop_->port()) {}

Server::~Server() {
  stop();
}

std::string Server::address() const {
  return address_;
}
std::uint16_t Server::port() const {
  return port_;
}
std::string Server::url() const {
  return (loop_->tls() ? "https://" : "http://") + address_;
}

Result<void> Server::reload_certificate() {
  if (!loop_->tls()) return {};
  return loop_->tls()->reload();
}

void Server::stop() {
  loop_->stop();
}

ServerCounts Server::counts() const {
  const auto& now = loop_->counts;
  return {now.connections, now.event_streams, now.accepted,  now.refused,
          now.requests,    now.malformed,     now.timed_out, now.bytes_sent};
}

}  // namespace pgtally::http
