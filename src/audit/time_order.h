// Entries whose times of recording go back along the log: as few as have to be wrong, if the others are to
// fit.
//
// Which of two neighbours is wrong is shown by those around them, so it is decided once some have followed,
// or at the end. Of two sets that explain it, that is right which has the earlier entries. Memory: some
// hundred times.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "pgtally/types.h"

namespace pgtally {

class TimeOrder {
 public:
  struct Misfit {
    LeafIndex id;
    Time at;
    Time
        before;  // of the entry before it that fits, and of the one behind it; none if there is none
    Time after;
  };

  // Entries in the order of the log.
  void take(LeafIndex id, Time at) {
    if (count_ == 0) first_ = at;
    if (window_.empty() && (count_ == 0 || at >= last())) {
      fitting_[count_++ % kAround] = {id, at};
    } else {
      take_doubtful({id, at});
    }
  }
  // No more will come. `suspects`, if known: [first, second) has those that may be wrong. All others are
  // believed before any of them.
  using Range = std::pair<LeafIndex, LeafIndex>;
  void finish(const std::optional<Range>& suspects = {});

  // What was decided since the last call.
  [[nodiscard]] std::vector<Misfit> take_misfits() { return std::exchange(misfits_, {}); }
  // Of the first entry, and of the last one that fits. None without entries.
  [[nodiscard]] Time first() const { return first_; }
  [[nodiscard]] Time last() const {
    return count_ == 0 ? Time{} : fitting_[(count_ - 1) % kAround].at;
  }

 private:
  // As many as a tile has: its leaves are known, so only those behind the last one can be in doubt.
  static constexpr std::size_t kAround = 256;

  struct Step {
    LeafIndex id;
    Time at;
  };
  void take_doubtful(Step step);
  void decide(const std::optional<Range>& suspects = {});

  Time first_;
  std::array<Step, kAround> fitting_{};  // the last ones, the oldest of which is overwritten
  std::uint64_t count_ = 0;              // of fitting_, ever
  std::vector<Step> window_;             // those, and what has come since one went back
  std::vector<Misfit> misfits_;
};

}  // namespace pgtally
