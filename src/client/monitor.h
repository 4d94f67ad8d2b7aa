// Follows a log: each checkpoint is verified, and shown to extend the one before.
//
// Invariants
//   - the remembered checkpoint is replaced only by one that was proven to extend it, so all that a
//     monitor ever saw lies in one history;
//   - what is remembered is on disk before look() returns.
//
// One file for each log, by its origin, so that the same log under two URLs has one history too.
// Monitors that share the directory take turns.
//
// Errors: kTampered once what the log serves does not fit what it signed before, or itself. If that
// concerns two checkpoints, both are stored beside the state, and stand in the error's hint. kRetry if
// the log is away, or does not serve all that it has to: a cache in between may be behind.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "client/log_reader.h"
#include "client/monitor_state.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "pgtally/verify.h"

namespace pgtally {

// What one look at the log has shown.
struct Sighting {
  VerifiedCheckpoint seen;
  std::string note;
  // The size of the checkpoint that was remembered; nothing at the first look. Larger than what was
  // seen if an older checkpoint of the same history was served.
  std::optional<TreeSize> before;
  TreeSize entries_checked;  // all that the newest checkpoint covers, where entries are checked

  [[nodiscard]] bool is_news() const { return !before || *before < seen.checkpoint.size; }
};

struct MonitorOptions {
  Policy policy;
  std::string directory;  // of the state files; has to exist
  bool check_entries = false;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

class Monitor {
 public:
  // The log outlives it; `place` is where it is, for messages.
  Monitor(LogReader& log, std::string place, MonitorOptions options)
      : log_(log), place_(std::move(place)), options_(std::move(options)) {}

  [[nodiscard]] Result<Sighting> look();

 private:
  [[nodiscard]] Result<Sighting> look_once();
  [[nodiscard]] Result<VerifiedCheckpoint> fetch(std::string& note);
  [[nodiscard]] Result<void> compare(const MonitorState& state, const Checkpoint& now,
                                     const std::string& note);
  [[nodiscard]] Result<void> check_root(const Checkpoint& checkpoint);
  [[nodiscard]] Result<void> check_all_entries(const std::string& path, MonitorState& state);
  [[nodiscard]] std::string state_file(const std::string& origin) const;

  LogReader& log_;
  std::string place_;
  MonitorOptions options_;
  TreeSize complete_;  // all entries of the checkpoint of this size were checked
};

}  // namespace pgtally
