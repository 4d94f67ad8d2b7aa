// When the loop of the service, and each reader, works next: the one place that decides it.
//
// Whoever writes shares the machine with what records. A batch of one row costs nearly what one of a
// thousand does, so what is expensive is many small batches. On the other hand nobody wants to wait for
// a row that comes alone. So work is paid for from a credit:
//
//   - time earns it: a twentieth of what passes, kept up to kSavings;
//   - work costs it: as long as it took, on a busy machine longer than on an idle one;
//   - after work that left a debt comes a rest until that is earned, of kLongestRest at most; what is
//     owed beyond that is forgotten;
//   - without a debt, the next look comes after kShortestRest, and as long as nothing is found, after
//     twice as long each time, up to the idle interval; or when whoever has something says so;
//   - while more is known to wait there is no rest, whatever is owed, so that no backlog grows.
//
// A row after a pause is therefore taken at once, and a few more after it. Rows that keep coming are
// taken together, every twentyfold of what that costs: a twentieth of one CPU, until rests cannot grow
// any more; from there on only what each row costs by itself is added.
//
// Pure: told how long things took, never looks at a clock. For one thread.
#pragma once

#include <chrono>

namespace pgtally {

// What came of a piece of work.
enum class Found { kNothing, kSomething, kMoreWaits };

struct Rest {
  std::chrono::milliseconds at_least{0};  // whatever comes
  std::chrono::milliseconds at_most{0};   // if nothing comes, or nobody says so
};

class Pacer {
 public:
  using Duration = std::chrono::nanoseconds;

  static constexpr int kShare = 20;  // rests so many times as long as it works
  static constexpr std::chrono::milliseconds kShortestRest{2};
  static constexpr std::chrono::milliseconds kLongestRest{500};
  static constexpr std::chrono::milliseconds kSavings{25};

  // `idle_interval`: between two looks where nothing comes; bounds every rest.
  explicit Pacer(std::chrono::milliseconds idle_interval) : idle_interval_(idle_interval) {}

  // Work began `since_last` after the last one had ended, took `cost`, and found that.
  [[nodiscard]] Rest rest_after(Duration since_last, Duration cost, Found found);

 private:
  std::chrono::milliseconds idle_interval_;
  Duration credit_ = kSavings;
  std::chrono::milliseconds next_look_ = kShortestRest;
};

}  // namespace pgtally
