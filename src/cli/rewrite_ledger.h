// What an operator can do who has it all: superuser, signing key, guard. For `pgtally demo`, on a private
// cluster only; it shows why checkpoints have to be kept elsewhere.
#pragma once

#include <cstdint>

#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "service/runner.h"

namespace pgtally::cli {

struct Rewritten {
  std::uint64_t before = 0;  // entries
  TreeSize size;             // of the new log
  Hash root;
};

// Writes the whole log anew as if the rows that the tables hold now had always been so: entries keep
// their places and times where the row is still there, and are gone where it is not. Tiles, heads and
// checkpoints are thrown away, the guard is put back to nothing, and the new root is signed with the
// real key. kReject for sources in other databases or of mode logical, and for appended rows that were
// pruned, which this does not know how to forge.
[[nodiscard]] Result<Rewritten> rewrite_ledger(const Ledger& ledger, const RunnerOptions& options);

}  // namespace pgtally::cli
