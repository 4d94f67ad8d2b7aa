#include "service/hangup.h"

#include <pthread.h>

#include <atomic>
#include <csignal>

namespace pgtally {

struct Hangup::State {
  std::function<void()> on_hangup;
  std::atomic<bool> stopping = false;
  sigset_t signals{};
};

Hangup::Hangup(std::function<void()> on_hangup) : state_(std::make_unique<State>()) {
  state_->on_hangup = std::move(on_hangup);
  ::sigemptyset(&state_->signals);
  ::sigaddset(&state_->signals, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &state_->signals, nullptr);
  thread_ = std::thread([state = state_.get()] {
    int signal = 0;
    while (::sigwait(&state->signals, &signal) == 0 && !state->stopping) state->on_hangup();
  });
}

Hangup::~Hangup() {
  state_->stopping = true;
  ::pthread_kill(thread_.native_handle(), SIGHUP);
  thread_.join();
  ::pthread_sigmask(SIG_UNBLOCK, &state_->signals, nullptr);
}

}  // namespace pgtally
