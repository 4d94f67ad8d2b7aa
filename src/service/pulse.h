// What the loop of the service did last: written by the loop, read by whoever reports on it.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace pgtally {

struct PulseState {
  bool signs = false;             // this host has key and guard of the ledger
  std::uint64_t rows = 0;         // sequenced by this process
  std::uint64_t checkpoints = 0;  // signed by this process
  // The end of the last cycle that did all it had to; nothing before the first.
  std::optional<std::chrono::steady_clock::time_point> last_cycle;
  std::string trouble;  // why the last cycle failed; empty if it did not
};

// For any thread.
class Pulse {
 public:
  void starts(bool signs) {
    const std::lock_guard lock(mutex_);
    state_.signs = signs;
  }
  void completed(std::uint64_t rows, bool signed_one) {
    const std::lock_guard lock(mutex_);
    state_.rows += rows;
    if (signed_one) ++state_.checkpoints;
    state_.last_cycle = std::chrono::steady_clock::now();
    state_.trouble.clear();
  }
  void failed(std::string why) {
    const std::lock_guard lock(mutex_);
    state_.trouble = std::move(why);
  }
  [[nodiscard]] PulseState state() const {
    const std::lock_guard lock(mutex_);
    return state_;
  }

 private:
  mutable std::mutex mutex_;
  PulseState state_;
};

}  // namespace pgtally
