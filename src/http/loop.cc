#include "http/loop.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "http/event_hub.h"
#include "http/listen_address.h"
#include "http/tls.h"
#include "http/transport.h"
#include "service/log.h"

namespace pgtally::http {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds kTick{200};
constexpr std::chrono::milliseconds kAcceptPause{100};
constexpr int kAcceptQueue = 1024;
constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
    "Content-Length: 0\r\n\r\n";

// A file descriptor for each connection, and some for everything else.
void allow_descriptors(std::size_t connections) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = connections + 256;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

struct Loop::Io {
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  tcp::socket next{context};
  asio::steady_timer ticks{context};
  asio::steady_timer accept_pause{context};
};

Loop::Loop(Limits limits, Handler& handler, std::shared_ptr<TlsContext> tls)
    : limits_(limits), handler_(handler), tls_(std::move(tls)), io_(std::make_unique<Io>()) {}

Loop::~Loop() {
  stop();
}

Result<void> Loop::listen(const std::string& text) {
  TRY(const auto where, parse_listen_address(text));
  const tcp::endpoint endpoint(asio::ip::make_address(where.address), where.port);
  boost::system::error_code code;
  auto& acceptor = io_->acceptor;
  acceptor.open(endpoint.protocol(), code);
  if (!code) acceptor.set_option(tcp::acceptor::reuse_address(true), code);
  if (!code) acceptor.bind(endpoint, code);
  if (!code) acceptor.listen(kAcceptQueue, code);
  if (code) {
    return operator_error("cannot listen on " + where.text() + ": " + code.message(),
                          "Is another program using the port? Ports below 1024 need a privilege.");
  }
  allow_descriptors(limits_.connections);
  return {};
}

void Loop::start() {
  accept();
  tick_later();
  thread_ = std::thread([this] {
    thread_id_ = std::this_thread::get_id();
    io_->context.run();
  });
}

void Loop::stop() {
  if (!thread_.joinable()) return;
  post([this] {
    draining_ = true;
    drain_until_ = Clock::now() + limits_.drain;
    boost::system::error_code ignored;
    io_->acceptor.close(ignored);
    io_->accept_pause.cancel();
    const auto all = connections_;
    for (const auto& [key, connection] : all) connection->drain();
    if (connections_.empty()) io_->ticks.cancel();
  });
  thread_.join();
  {
    const std::lock_guard lock(post_mutex_);
    ended_ = true;
  }
  // What was posted in the last moment holds connections, and they hold this loop.
  io_->context.restart();
  io_->context.poll();
}

std::string Loop::address() const {
  const auto endpoint = io_->acceptor.local_endpoint();
  return ListenAddress{endpoint.address().to_string(), endpoint.port()}.text();
}

std::uint16_t Loop::port() const {
  return io_->acceptor.local_endpoint().port();
}

void Loop::post(std::function<void()> work) {
  const std::lock_guard lock(post_mutex_);
  if (!ended_) asio::post(io_->context, std::move(work));
}

bool Loop::is_this_thread() const {
  return std::this_thread::get_id() == thread_id_.load();
}

void Loop::accept() {
  io_->acceptor.async_accept(io_->next, [this](const boost::system::error_code& code) {
    if (draining_) return;
    if (!code) {
      admit();
      return accept();
    }
    if (code == asio::error::connection_aborted) return accept();
    // Out of descriptors or memory: those that wait are still there in a moment.
    log(LogLevel::kWarning, "a connection could not be accepted", {{"reason", code.message()}});
    io_->accept_pause.expires_after(kAcceptPause);
    io_->accept_pause.async_wait([this](const auto& cancelled) {
      if (!cancelled && !draining_) accept();
    });
  });
}

void Loop::admit() {
  tcp::socket socket = std::exchange(io_->next, tcp::socket(io_->context));
  boost::system::error_code code;
  const auto peer = socket.remote_endpoint(code).address();
  if (code) return;  // it is gone already
  socket.non_blocking(true, code);
  socket.set_option(tcp::no_delay(true), code);
  // A peer that vanished without a word is noticed by what it does not acknowledge.
  const auto unacknowledged = static_cast<int>(limits_.write.count());
  socket.set_option(
      asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>(unacknowledged), code);
  count(counts.accepted);
  if (connections_.size() >= limits_.connections) {
    count(counts.refused);
    if (!make_room()) {
      if (!tls_) socket.write_some(asio::buffer(kFull), code);
      return;
    }
  }
  auto connection =
      tls_ ? make_tls_connection(shared_from_this(), std::move(socket), peer.to_string(),
                                 tls_->get())
           : make_plain_connection(shared_from_this(), std::move(socket), peer.to_string());
  connections_.emplace(connection.get(), connection);
  count(counts.connections);
  connection->start();
}

// Closes the connection that has waited longest for a request, if one does.
bool Loop::make_room() {
  std::shared_ptr<Connection> longest;
  Clock::time_point since = Clock::time_point::max();
  for (const auto& [key, connection] : connections_) {
    const auto waiting = connection->waiting_since();
    if (waiting && *waiting < since) {
      since = *waiting;
      longest = connection;
    }
  }
  if (longest) longest->close();
  return longest != nullptr;
}

void Loop::forget(Connection& connection) {
  if (connections_.erase(&connection) == 0) return;
  count(counts.connections, static_cast<std::uint64_t>(-1));
  if (draining_ && connections_.empty()) io_->ticks.cancel();
}

SharedEvent Loop::subscribe(const std::shared_ptr<EventFeed>& feed,
                            const std::shared_ptr<Connection>& listener) {
  auto& hub = hubs_[feed.get()];
  if (!hub) hub = std::make_shared<EventHub>(weak_from_this(), feed);
  return hub->add(listener);
}

void Loop::tick_later() {
  io_->ticks.expires_after(kTick);
  io_->ticks.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled || (draining_ && connections_.empty())) return;
    tick();
    tick_later();
  });
}

void Loop::tick() {
  const auto now = Clock::now();
  const bool end_all = draining_ && now >= drain_until_;
  const auto all = connections_;  // those that are closed meanwhile leave the original
  for (const auto& [key, connection] : all) {
    if (end_all) {
      connection->close();
    } else {
      connection->tick(now);
    }
  }
  std::erase_if(hubs_, [](const auto& hub) { return hub.second->is_abandoned(); });
}

}  // namespace pgtally::http
