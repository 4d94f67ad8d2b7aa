// Sweeps over tables of other databases: window by window in the order of the key, what is neither in
// the log nor on its way into it is staged. Progress is in table `sweep`, so that a sweep which was
// interrupted goes on where it was, whoever does it next.
#pragma once

#include <optional>

#include "capture/remote_table.h"
#include "ledger/sweeper.h"

namespace pgtally {

// The active sources of modes poll and xid in other databases, as sweep_targets() has the local ones.
[[nodiscard]] Result<std::vector<SweepTarget>> remote_sweep_targets(const Ledger& ledger);

struct SweepState {
  bool running = false;     // one was begun and has not ended
  bool first = false;       // none has ended yet
  double age_seconds = 0;   // since the last one ended, or since the source was added
  double took_seconds = 0;  // the last one
};
[[nodiscard]] Result<SweepState> sweep_state(const Ledger& ledger, std::int32_t source_id);

// The next window; begins a sweep if none is running. A window that somebody else has done meanwhile
// counts for nothing here.
[[nodiscard]] Result<SweepProgress> sweep_remote_window(const Ledger& ledger, RemoteTable& table);

}  // namespace pgtally
