#include "postgres/reconnect.h"

#include <algorithm>
#include <utility>

namespace pgtally::pg {

Backoff::Backoff(Limits limits, std::function<double()> random)
    : limits_(limits), random_(std::move(random)), ceiling_(std::min(limits.first, limits.most)) {}

std::chrono::milliseconds Backoff::next_delay() {
  const double share = 0.5 + 0.5 * random_();
  const std::chrono::milliseconds delay{
      static_cast<std::chrono::milliseconds::rep>(share * static_cast<double>(ceiling_.count()))};
  // Compared by halves, so that doubling cannot overflow.
  ceiling_ = ceiling_ > limits_.most / 2 ? limits_.most : ceiling_ * 2;
  ++attempts_;
  return delay;
}

void Backoff::reset() {
  ceiling_ = std::min(limits_.first, limits_.most);
  attempts_ = 0;
}

}  // namespace pgtally::pg
