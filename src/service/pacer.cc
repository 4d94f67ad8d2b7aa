#include "service/pacer.h"

#include <algorithm>

namespace pgtally {

using std::chrono::milliseconds;

Rest Pacer::rest_after(Duration since_last, Duration cost, Found found) {
  credit_ = std::min<Duration>(credit_ + since_last / kShare, kSavings) - cost;
  credit_ = std::max(credit_, -Duration(kLongestRest) / kShare);

  next_look_ = found == Found::kNothing ? std::min(next_look_ * 2, idle_interval_) : kShortestRest;
  if (found == Found::kMoreWaits) return {};
  const auto debt =
      std::chrono::ceil<milliseconds>(std::max<Duration>(-credit_, Duration(0)) * kShare);
  const milliseconds at_least = std::min(debt, idle_interval_);
  return {at_least, std::min(std::max(next_look_, at_least), idle_interval_)};
}

}  // namespace pgtally
