// What a monitor remembers of one log, in one file that is replaced as a whole.
//
// Format: "pgtally-monitor v1"; "entries N", how many entries were checked (a multiple of 256); a
// line in base64 for each hash of the frontier of these N; an empty line; the signed note of the
// newest checkpoint, byte for byte.
#pragma once

#include <string>

#include "merkle/frontier.h"
#include "pgtally/result.h"

namespace pgtally {

struct MonitorState {
  std::string note;  // empty: nothing was seen yet
  Frontier entries;  // those that were downloaded and checked; empty where nobody asked for it
};

// An empty state if there is no file. kOperator if there is one that cannot be understood.
[[nodiscard]] Result<MonitorState> read_monitor_state(const std::string& path);
[[nodiscard]] Result<void> write_monitor_state(const std::string& path, const MonitorState& state);

}  // namespace pgtally
