// The registry of sources: adding, listing, checking, pausing and removing them.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/source_plan.h"
#include "pgtally/definition.h"
#include "pgtally/result.h"

namespace pgtally {

// The script that adds it, but for BEGIN and COMMIT; to be run after the scripts of `before` others
// that were made and not run yet. For showing: a password is left out, with a comment in its place.
[[nodiscard]] Result<std::string> add_script(const Ledger& ledger, const SourcePlan& plan,
                                             std::int32_t before = 0);

// How long a script insists on a table that others hold: CREATE TRIGGER waits for every transaction
// that has written the table, and all later writers wait for CREATE TRIGGER. So it waits for a second
// only, lets them pass, and tries again.
struct Patience {
  int attempts = 15;
  std::chrono::milliseconds pause{1000};
  std::function<void(int attempt)> waiting;  // told before each pause; may be empty
};

// Runs it in a transaction of its own, under the ledger's lock. kRetry if its table is in use.
[[nodiscard]] Result<void> add_source(const Ledger& ledger, const SourcePlan& plan,
                                      const Patience& patience = {});

// Why nothing can be taken from a source at present.
struct SourceFailure {
  std::string message;
  std::string hint;
  Time since;
  std::int32_t attempts = 0;
};

struct SourceInfo {
  std::int32_t id = 0;
  std::string name;
  std::string mode;
  std::string
      state;  // active, paused, removed; "loading" until the first sweep has ended, "failing"
  std::uint32_t definition = 0;
  bool blind = true;
  std::uint64_t entries = 0;
  std::string last_key;         // of a recent entry, or the highest; may be empty
  std::int64_t open_holes = 0;  // ranges of keys that may still come (mode poll)
  std::optional<Time> last_sweep;
  std::optional<std::string> place;  // host:port/database, if not the ledger's own
  std::uint64_t late_rows = 0;       // that sweeps found after their time
  std::optional<SourceFailure> failure;
};

// All sources that were not removed (with `removed`, those too), but for the ledger's own.
[[nodiscard]] Result<std::vector<SourceInfo>> list_sources(const Ledger& ledger,
                                                           bool removed = false);
// kReject if there is none of that name.
[[nodiscard]] Result<SourceInfo> find_source(const Ledger& ledger, const std::string& name);

// The definition of that number, or the newest.
[[nodiscard]] Result<SourceDefinition> read_definition(const Ledger& ledger, std::int32_t source_id,
                                                       std::optional<std::uint32_t> number = {});

// The scripts of the other changes, but for BEGIN and COMMIT.
[[nodiscard]] std::string pause_script(const Ledger& ledger, const SourceInfo& source, bool paused);
[[nodiscard]] std::string remove_script(const Ledger& ledger, const SourceInfo& source);

// BEGIN, the script, COMMIT; kRetry if whether the COMMIT took place is not known.
[[nodiscard]] Result<void> run_script(const Ledger& ledger, const std::string& script,
                                      const Patience& patience = {});

}  // namespace pgtally
