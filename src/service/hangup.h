// SIGHUP as a request to read again what can be read again while the service runs.
#pragma once

#include <functional>
#include <memory>
#include <thread>

namespace pgtally {

// One per process at a time, made before any thread that is to go on undisturbed: it takes the signal
// away from the thread that makes it, and from all that this one starts later.
class Hangup {
 public:
  // `on_hangup` is called on a thread of its own, for each signal.
  explicit Hangup(std::function<void()> on_hangup);
  ~Hangup();
  Hangup(const Hangup&) = delete;
  Hangup& operator=(const Hangup&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::thread thread_;
};

}  // namespace pgtally
