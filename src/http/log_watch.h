// Reveals each new checkpoint: looks for it when it is woken, and several times a second anyway, since
// another instance may be the one that signs.
//
// A checkpoint that does not verify, or that the tree in the database contradicts, is not revealed;
// what was revealed before stays.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "http/log_head.h"
#include "http/log_sessions.h"

namespace pgtally::http {

class LogWatch {
 public:
  using OnHead = std::function<void(const LogHeadPtr&)>;

  // On the watch's own thread, `on_head` hears of each head after it was revealed; `on_look` is called
  // after every look, whether there was anything new or not.
  // `patience`: how long a checkpoint may wait for its witnesses before it is revealed without them.
  LogWatch(std::string conninfo, std::string schema, std::chrono::milliseconds patience,
           Revealed& revealed, OnHead on_head, std::function<void()> on_look);
  ~LogWatch();
  LogWatch(const LogWatch&) = delete;
  LogWatch& operator=(const LogWatch&) = delete;

  // Something was signed or cosigned. Any thread.
  void wake();

 private:
  void run();
  [[nodiscard]] Result<void> look();
  [[nodiscard]] Result<void> show_cosignatures(const Ledger& ledger, const LogHead& shown);

  Revealed& revealed_;
  const std::chrono::milliseconds patience_;
  const OnHead on_head_;
  const std::function<void()> on_look_;
  LogSessions session_;
  mutable std::mutex mutex_;  // guards what is below
  std::condition_variable wake_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace pgtally::http
