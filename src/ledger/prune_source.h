// Whether the oldest rows of a user's own table may be deleted, because the log has them: row by
// row, by key and content, under a signed checkpoint. And deleting them, if asked to.
//
// What is deleted has been compared in the same transaction, with the row locked meanwhile. A row
// that is written with a low key later, or changed, stays.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/registry.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct PruneSourceRequest {
  std::string source;
  std::vector<std::string> before;  // a value, or column=value, for each column of the key
  bool execute = false;
};

struct PruneSourceReport {
  std::uint64_t rows = 0;        // with a key before the one that was named
  std::uint64_t refused = 0;     // that are not in the log as they are in the table
  std::vector<std::string> why;  // the first of those, each with its reason; at most kMaxNamed
  std::uint64_t deleted = 0;
  TreeSize covered;                // the size of the checkpoint
  std::string sql;                 // the DELETEs that would do it; empty if any row is refused
  std::vector<std::string> notes;  // what deleting them brings with it

  static constexpr std::size_t kMaxNamed = 20;
};

// First compares all rows and changes nothing; then, with `execute` and nothing refused, deletes
// them batch by batch, each compared again. It stops at the first batch that has changed since;
// what was deleted until then is in the report. Progress counts rows compared and rows deleted.
using PruneProgress = std::function<void(std::uint64_t done)>;
[[nodiscard]] Result<PruneSourceReport> prune_source(const Ledger& ledger,
                                                     const PruneSourceRequest& request,
                                                     const PruneProgress& progress);

}  // namespace pgtally
