// What the service under test and the one that kills it share: a mapped file, which outlives both.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <filesystem>

#include "ledger/step.h"

namespace pgtally::torture {

inline constexpr std::array<const char*, kSteps> kStepNames{
    "locked",    "rows read",      "entries copied", "tree written", "COMMIT sent",
    "committed", "guard advanced", "signed",         "stored"};

struct StepBoard {
  static constexpr int kNone = -1;

  // Written by the service.
  std::atomic<int> step{kNone};  // the last one that it reached
  std::atomic<int> lingers_at{kNone};
  std::atomic<std::uint64_t> stored{0};  // cycles that went to their end
  // Written by the killer: where to stay until the end comes, or the order is withdrawn.
  std::atomic<int> linger_at{kNone};

  void reset() {
    step = kNone;
    lingers_at = kNone;
    linger_at = kNone;
    stored = 0;
  }
};
static_assert(std::atomic<int>::is_always_lock_free &&
              std::atomic<std::uint64_t>::is_always_lock_free);

class SharedBoard {
 public:
  // Makes the file if there is none.
  explicit SharedBoard(const std::filesystem::path& file);
  ~SharedBoard();
  SharedBoard(const SharedBoard&) = delete;
  SharedBoard& operator=(const SharedBoard&) = delete;
  StepBoard* operator->() const { return board_; }

 private:
  StepBoard* board_;
};

}  // namespace pgtally::torture
