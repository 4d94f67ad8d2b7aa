// The registry of sources: adding, listing, checking, pausing and removing them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/source_plan.h"
#include "pgtally/definition.h"
#include "pgtally/result.h"

namespace pgtally {

// The script that adds it, but for BEGIN and COMMIT.
[[nodiscard]] Result<std::string> add_script(const Ledger& ledger, const SourcePlan& plan);

// Runs it in a transaction of its own, under the ledger's lock.
[[nodiscard]] Result<void> add_source(const Ledger& ledger, const SourcePlan& plan);

struct SourceInfo {
  std::int32_t id = 0;
  std::string name;
  std::string mode;
  std::string state;  // active, paused, removed; "loading" until the first sweep has ended
  std::uint32_t definition = 0;
  bool blind = true;
  std::uint64_t entries = 0;
  std::string last_key;         // of a recent entry, or the highest; may be empty
  std::int64_t open_holes = 0;  // ranges of keys that may still come (mode poll)
  std::optional<Time> last_sweep;
};

// All sources that were not removed (with `removed`, those too), but for the ledger's own.
[[nodiscard]] Result<std::vector<SourceInfo>> list_sources(const Ledger& ledger,
                                                           bool removed = false);
// kReject if there is none of that name.
[[nodiscard]] Result<SourceInfo> find_source(const Ledger& ledger, const std::string& name);

// The definition of that number, or the newest.
[[nodiscard]] Result<SourceDefinition> read_definition(const Ledger& ledger, std::int32_t source_id,
                                                       std::optional<std::uint32_t> number = {});

// What stands between the source and what its definition says: a dropped table, a column of another
// type, a key that is not unique any more, a right that is missing. Empty if all is well.
[[nodiscard]] Result<std::vector<std::string>> check_source(const Ledger& ledger,
                                                            const SourceInfo& source);

// The scripts of the other changes, but for BEGIN and COMMIT.
[[nodiscard]] std::string pause_script(const Ledger& ledger, const SourceInfo& source, bool paused);
[[nodiscard]] std::string remove_script(const Ledger& ledger, const SourceInfo& source);

// BEGIN, the script, COMMIT; kRetry if whether the COMMIT took place is not known.
[[nodiscard]] Result<void> run_script(const Ledger& ledger, const std::string& script);

}  // namespace pgtally
