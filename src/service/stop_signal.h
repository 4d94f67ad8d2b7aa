// SIGTERM and SIGINT as a request to stop, which waits can be woken by.
#pragma once

#include <chrono>

#include "pgtally/result.h"
#include "service/waker.h"

namespace pgtally {

// One per process at a time. A second signal, while the first is being served, kills as usual.
class StopSignal {
 public:
  [[nodiscard]] static Result<StopSignal> install();
  StopSignal(StopSignal&& other) noexcept;
  StopSignal& operator=(StopSignal&&) = delete;
  ~StopSignal();  // the default actions are back

  [[nodiscard]] bool requested() const;
  // Sleeps, but wakes up at once when asked to stop; true if it was. `waker` may end the sleep too.
  [[nodiscard]] bool wait_for(std::chrono::milliseconds time, const Waker* waker = nullptr) const;

 private:
  explicit StopSignal(int read_end) : read_end_(read_end) {}
  int read_end_;
};

}  // namespace pgtally
