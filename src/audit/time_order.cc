#include "audit/time_order.h"

#include <algorithm>

namespace pgtally {

void TimeOrder::take_doubtful(Step step) {
  if (window_.empty()) {
    const std::uint64_t kept = std::min<std::uint64_t>(count_, kAround);
    for (std::uint64_t i = count_ - kept; i < count_; ++i) {
      window_.push_back(fitting_[i % kAround]);
    }
  }
  window_.push_back(step);
  if (window_.size() == 2 * kAround) decide();
}

void TimeOrder::finish(const std::optional<Range>& suspects) {
  if (!window_.empty()) decide(suspects);
}

// The longest subsequence of the window that never goes back is right.
void TimeOrder::decide(const std::optional<Range>& suspects) {
  const auto weight = [&](const Step& step) {
    const bool is_believed = suspects && (step.id < suspects->first || step.id >= suspects->second);
    return is_believed ? 2 * kAround : 1;
  };
  std::vector<std::size_t> longest(window_.size(), 0);  // that begins with each, by weight
  for (std::size_t i = window_.size(); i-- > 0;) {
    for (std::size_t j = i + 1; j < window_.size(); ++j) {
      if (window_[j].at >= window_[i].at) longest[i] = std::max(longest[i], longest[j]);
    }
    longest[i] += weight(window_[i]);
  }
  std::size_t wanted = *std::ranges::max_element(longest);
  std::size_t told = misfits_.size();  // of those that wait for one behind them
  count_ = 0;
  for (std::size_t i = 0; i < window_.size(); ++i) {
    const Step& step = window_[i];
    if (longest[i] != wanted || (count_ > 0 && step.at < last())) {
      misfits_.push_back({step.id, step.at, last(), {}});
      continue;
    }
    for (; told < misfits_.size(); ++told) misfits_[told].after = step.at;
    fitting_[count_++ % kAround] = step;
    wanted -= weight(step);
  }
  window_.clear();
}

}  // namespace pgtally
