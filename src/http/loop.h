// The thread that serves all connections: takes them from the listening socket, gives them what they
// share, and looks several times a second which of them are late.
//
// Answers may hold a connection, and with it the loop, longer than the server lives: what they post
// after the end is dropped.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

#include "http/connection.h"
#include "http/server.h"

namespace pgtally::http {

class EventHub;
class TlsContext;

class Loop : public std::enable_shared_from_this<Loop> {
 public:
  // `tls` may be none.
  Loop(Limits limits, Handler& handler, std::shared_ptr<TlsContext> tls);
  ~Loop();

  [[nodiscard]] Result<void> listen(const std::string& address);
  void start();
  void stop();  // see Server::stop
  [[nodiscard]] std::string address() const;
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] const std::shared_ptr<TlsContext>& tls() const { return tls_; }

  // Runs `work` on the loop's thread, or drops it once the loop has ended. Any thread.
  void post(std::function<void()> work);
  [[nodiscard]] bool is_this_thread() const;

  // For connections, on the loop's thread.
  [[nodiscard]] const Limits& limits() const { return limits_; }
  [[nodiscard]] Handler& handler() { return handler_; }
  void forget(Connection& connection);
  SharedEvent subscribe(const std::shared_ptr<EventFeed>& feed,
                        const std::shared_ptr<Connection>& listener);

  struct Counts {
    std::atomic<std::uint64_t> connections{0}, event_streams{0}, accepted{0}, refused{0},
        requests{0}, malformed{0}, timed_out{0}, bytes_sent{0};
  };
  Counts counts;  // changed on the loop's thread only, read by any

 private:
  struct Io;  // what is Asio's
  void accept();
  void admit();
  [[nodiscard]] bool make_room();
  void tick();
  void tick_later();

  const Limits limits_;
  Handler& handler_;
  const std::shared_ptr<TlsContext> tls_;
  std::mutex post_mutex_;
  bool ended_ = false;  // under post_mutex_
  const std::unique_ptr<Io> io_;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  std::unordered_map<EventFeed*, std::shared_ptr<EventHub>> hubs_;
  bool draining_ = false;
  Clock::time_point drain_until_;
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_;
};

// Only one thread changes it, so this needs no locked instruction.
inline void count(std::atomic<std::uint64_t>& counter, std::uint64_t more = 1) {
  counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

}  // namespace pgtally::http
