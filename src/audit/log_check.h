// The log pass: all entries once, against the tree, the tiles, what was signed, and each other.
//
// Whatever is found is a finding, and the pass goes on; an error is only what keeps it from reading.
// Where a tile still holds the leaf of an entry that was changed or removed, the tree is continued
// with that leaf, so each such entry is named by itself, and what was signed shows whether that is all.
//
// One pass in ranges of 65,536 entries; memory does not grow with the log, but for one number a source.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audit/audited_log.h"
#include "audit/entry_order.h"
#include "audit/entry_visitor.h"
#include "audit/outside.h"
#include "audit/report.h"
#include "audit/suspects.h"
#include "pgtally/checkpoint.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct LogOutcome {
  TreeSize size;                                // entries that were read
  Hash root;                                    // over them, as they were recorded
  std::map<std::string, LoggedSource> sources;  // by name, those of rows: without "pgtally"
  Time first_entry;
  Time last_entry;
  std::uint64_t checkpoints_checked = 0;
  std::optional<TreeSize> remembered;  // the largest checkpoint from outside, or that is witnessed
  std::optional<CheckpointMark>
      witnessed;  // the largest kept one with the quorum that the policy asks for
  bool has_witnessed_times = false;  // recording times were held against some
  // Sizes and times of kept checkpoints whose signature is good, ascending.
  std::vector<CheckpointMark> checkpoints;
  Findings findings;
  // Of the log as a whole and of single entries; kept apart until the rows have said what they know of
  // them, then moved to `findings`. No more than kMostKept, what is beyond is in `findings` already.
  static constexpr std::size_t kMostKept = 10'000;
  std::vector<Finding> of_entries;
  Suspects suspects;
  std::vector<std::string> remarks;

  // The first kept checkpoint over the entry.
  [[nodiscard]] std::optional<CoveredBy> covered_by(LeafIndex id) const;
};

struct LogCheckOptions {
  Policy policy;  // whose signatures count
  std::vector<OutsideCheckpoint> outside;
  // The published copy that one of these comes from; may be null. Asked where the log differs.
  LogReader* published = nullptr;
  std::optional<Checkpoint> published_checkpoint;  // verified
  std::chrono::microseconds late_after{std::chrono::hours(1)};
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

[[nodiscard]] Result<LogOutcome> check_log(AuditedLog& log, const LogCheckOptions& options,
                                           EntryVisitor& visitor);

}  // namespace pgtally
