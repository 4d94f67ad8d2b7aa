// The tree computed anew from processed_log, to compare with what is stored or to replace it.
//
// One pass over the log in ranges, so memory stays the same however long it is. What was signed
// decides: tiles are replaced only by a tree that has the root of every stored checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct RebuildReport {
  TreeSize size;
  Hash root;                          // as computed from the log
  std::uint64_t tiles = 0;            // that were compared or written
  std::uint64_t repaired = 0;         // of them, differed and were replaced
  std::vector<std::string> findings;  // what differs, each named; at most kMaxFindings

  static constexpr std::size_t kMaxFindings = 100;
};

using RebuildProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Compares entries, tiles, heads and checkpoints, and changes nothing.
[[nodiscard]] Result<RebuildReport> check_tree(const Ledger& ledger,
                                               const RebuildProgress& progress);

// Replaces tiles that are missing or differ, and the tree head if it does, in one transaction under
// the ledger's lock. kTampered, with nothing changed, if the log is not what was signed.
[[nodiscard]] Result<RebuildReport> rebuild_tree(const Ledger& ledger,
                                                 const RebuildProgress& progress);

}  // namespace pgtally
