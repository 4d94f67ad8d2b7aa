// How long to wait before the next attempt: doubling up to a bound, with jitter, so that many
// instances do not come back in step.
//
// Sleeps nowhere and reads no clock. The n-th delay lies between half and all of
// min(first * 2^(n-1), most).
#pragma once

#include <chrono>
#include <functional>

namespace pgtally::pg {

class Backoff {
 public:
  struct Limits {
    std::chrono::milliseconds first{100};
    std::chrono::milliseconds most{30'000};
  };

  // `random` gives numbers in [0, 1).
  Backoff(Limits limits, std::function<double()> random);

  [[nodiscard]] std::chrono::milliseconds next_delay();
  // Call it when an attempt succeeded.
  void reset();
  [[nodiscard]] unsigned attempts() const { return attempts_; }

 private:
  Limits limits_;
  std::function<double()> random_;
  std::chrono::milliseconds ceiling_;
  unsigned attempts_ = 0;
};

}  // namespace pgtally::pg
