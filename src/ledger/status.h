// What `pgtally status` shows, read in one snapshot.
#pragma once

#include <optional>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/registry.h"
#include "ledger/tree_head.h"
#include "pgtally/result.h"

namespace pgtally {

struct SourceStatus {
  SourceInfo info;
  std::uint64_t lag_rows = 0;  // committed and not in the log yet; a million means that or more
  // How long the first of them has waited, by the time that it claims. Of a source that only sweeps find
  // rows of, and that is too large or too far away to be counted: how long ago the last one began.
  double lag_seconds = 0;
  bool lag_is_counted = true;  // false: of such a source, so that lag_rows says nothing
  double failing_seconds = 0;  // since when it fails
};

struct LedgerStatus {
  std::uint64_t log_size = 0;  // entries that are sequenced; the tree may be behind
  TreeHead head;
  std::optional<StoredCheckpoint> checkpoint;
  std::optional<StoredCheckpoint> witnessed;  // the newest that is
  Time now;                                   // the database's clock
  std::vector<SourceStatus> sources;
};

// The sources alone; with `removed`, those that were removed as well.
[[nodiscard]] Result<std::vector<SourceStatus>> list_sources_with_lag(const Ledger& ledger,
                                                                      bool removed = false);

[[nodiscard]] Result<LedgerStatus> read_status(const Ledger& ledger);

}  // namespace pgtally
