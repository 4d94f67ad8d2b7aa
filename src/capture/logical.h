// Mode logical from the outside: adding, checking and removing sources that are read from a
// replication slot. What reads them is in logical_reader.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/reader.h"
#include "ledger/registry.h"
#include "ledger/source_plan.h"
#include "pgtally/result.h"

namespace pgtally {

// What only a look at the table's database can tell of a plan of mode logical: its key where it has
// none, whether updates and deletes can be recorded, warnings. kReject for a table whose changes would
// not come whole. Does nothing for other modes.
[[nodiscard]] Result<void> complete_logical_plan(const Ledger& ledger, SourcePlan& plan);

struct LogicalAdding {
  // Making a slot waits for all transactions that are running in the table's cluster.
  std::chrono::milliseconds slot_timeout{60'000};
  std::function<bool()> cancelled{};                 // asked while waiting; may be empty
  std::function<void(const std::string&)> remark{};  // what takes long, for people; may be empty
  std::function<void(std::uint64_t done, std::uint64_t total)> progress{};  // rows; may be empty
};

// Adds a source of a completed plan: publishes the table, makes the stream's slot if there is none,
// registers the source from the snapshot of the slot on, and stages the rows that this shows. Fails
// with nothing left behind until the source is registered. After that it is there, whatever happens,
// and the service completes what was not done: then `unfinished` says why.
struct LogicalAdded {
  std::uint64_t existing_rows = 0;
  std::string unfinished;
};
[[nodiscard]] Result<LogicalAdded> add_logical_source(const Ledger& ledger, const SourcePlan& plan,
                                                      const LogicalAdding& adding = {});

// What adding a source of mode logical does, as comments: no script can do it. Empty for other modes.
[[nodiscard]] Result<std::string> logical_remarks(const Ledger& ledger, const SourcePlan& plan);

// What stands in the way of the changes of a source, or will; empty if all is well.
[[nodiscard]] Result<std::vector<std::string>> check_logical_source(const Ledger& ledger,
                                                                    std::int32_t source_id);

// After a source was removed: takes its table out of the publications, and with the last source drops
// the slot. What a running service holds, the service drops.
[[nodiscard]] Result<void> tidy_streams(const Ledger& ledger);

// For a sweep on demand: the source's table is compared with the log by its reader.
[[nodiscard]] Result<void> request_comparison(const Ledger& ledger, std::int32_t source_id);

[[nodiscard]] Result<Readers> make_logical_readers(const Ledger& ledger);

}  // namespace pgtally
