// The guard: the last head that may be signed, kept outside the database.
//
// It is what notices that the database was restored to an earlier state, or that a standby took over
// which had not everything: the signature that would fork the log is never made.
//
// Invariants
//   - the file is replaced as a whole (new file, fsync, rename, fsync of the directory), so a crash
//     leaves the old or the new state;
//   - it only ever advances, and every signature is on a head that it already holds;
//   - readers and writers on one host hold the lock file beside it, so compare-and-swap is atomic.
//
// Format: five lines: "pgtally-guard v1", origin, id in hex, size, root in base64. Of a log that was
// ended the first line is "pgtally-guard v1 ended", and nothing is signed under it for ever.
#pragma once

#include <functional>
#include <string>

#include "ledger/schema.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct GuardState {
  std::string origin;
  GuardId id{};
  TreeSize size;
  Hash root;
  bool ended = false;
};

[[nodiscard]] Error log_has_ended(const std::string& origin);

class Guard {
 public:
  explicit Guard(std::string path) : path_(std::move(path)) {}

  // Creates it; refuses if there is one already.
  [[nodiscard]] Result<void> create(const GuardState& state) const;

  // kOperator if there is none, or if it cannot be read or understood.
  [[nodiscard]] Result<GuardState> read() const;

  // Under the lock: reads the state and asks `decide` for the one to put in its place, which has to
  // extend it. An error from `decide` leaves everything as it was.
  using Decide = std::function<Result<GuardState>(const GuardState&)>;
  [[nodiscard]] Result<GuardState> advance(const Decide& decide) const;

  // The log signs nothing from here on. Does nothing if it has ended already.
  [[nodiscard]] Result<GuardState> end() const;

  // Replaces whatever is there, for an operator who has taken responsibility. Not the guard of a log
  // that has ended.
  [[nodiscard]] Result<void> replace(const GuardState& state) const;

  [[nodiscard]] bool exists() const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace pgtally
