// Sweeps from the outside: which sources need one, and running them window by window.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

inline constexpr std::int32_t kSweepWindow = 10'000;

struct SweepTarget {
  std::int32_t source_id = 0;
  std::string name;
  bool first = false;           // never gone through to the end, or begun and not ended
  bool finds_new_rows = false;  // nothing but sweeps finds this source's new rows
  bool remote = false;          // in another database: capture/remote_sweep.h sweeps it
  double age_seconds = 0;       // since the last one ended, or since the source was added
  double took_seconds = 0;      // the last one
};

// How often tables are swept without being asked. 0: on demand only.
struct SweepSchedule {
  std::chrono::seconds finding{60};  // where nothing else finds new rows
  std::chrono::seconds late{
      3600};  // elsewhere, for rows that came late; at most a tenth of the time
};

// Also one whose first sweep, or one that was begun, has not ended.
[[nodiscard]] bool is_due(const SweepTarget& target, const SweepSchedule& schedule);

// The active sources that can be swept.
[[nodiscard]] Result<std::vector<SweepTarget>> sweep_targets(const Ledger& ledger);

struct SweepProgress {
  bool done = false;
  std::uint64_t scanned = 0;
  std::uint64_t found = 0;
};

// One window, in a transaction of its own; a sweep that was begun goes on where it was left. What it
// finds is staged, and in the log after the next batches.
[[nodiscard]] Result<SweepProgress> sweep_window(const Ledger& ledger, std::int32_t source_id);

}  // namespace pgtally
