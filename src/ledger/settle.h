// Finding the ledger's place in a cluster that it has not been in before: after a dump and restore, a
// new server, a standby that was promoted. The rule is in sql/functions/cluster.sql.
#pragma once

#include <cstdint>
#include <optional>

#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

struct Settlement {
  std::uint64_t recorded = 0;  // rows of staging that looked new and are in the log
  std::uint64_t waiting = 0;   // rows of staging that the next batches take
  std::uint64_t sweeps = 0;    // sources whose tables have to be gone through
};

// Nothing if the ledger is in its own cluster. Otherwise one transaction for each step, under the
// ledger's lock; after a crash in the middle the next call does what is left. Reads all of staging
// and looks it up in the log; nothing is sequenced meanwhile. kRetry while the schema is not there
// completely, as it is during a restore.
[[nodiscard]] Result<std::optional<Settlement>> settle(const Ledger& ledger);

}  // namespace pgtally
