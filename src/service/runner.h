// The service: cycles, one after the other, through lost connections, until it is asked to stop.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "ledger/reader.h"
#include "pgtally/result.h"
#include "service/cycle.h"
#include "service/pulse.h"
#include "service/settings.h"
#include "service/stop_signal.h"

namespace pgtally {

struct RunnerOptions {
  std::string conninfo;
  std::string schema;
  std::string state_directory;
  ServiceSettings settings;
  ReaderFactory readers;     // nothing: no reader runs
  std::optional<Road> road;  // nothing: the best that the session may take
  StepObserver* observer = nullptr;
  // Told of each checkpoint once it is stored, on the loop's own thread: must not block. May be empty.
  std::function<void(const SignedHead&)> on_checkpoint;
  Pulse* pulse = nullptr;
  const Waker* waker = nullptr;  // ends the sleep of an idle loop
};

// Opens the ledger for sequencing: refuses a standby, whose snapshots do not show open transactions,
// and a server that may lose what it has acknowledged.
[[nodiscard]] Result<Ledger> open_for_sequencing(pg::Connection& connection,
                                                 const std::string& schema);

// A cycle that signs, if this host has key and guard of the ledger; one that does not, with the
// reason in `why_not`, if it has neither. kOperator if it has only one of the two.
[[nodiscard]] Result<Cycle> make_cycle(const Ledger& ledger, const RunnerOptions& options,
                                       std::string* why_not);

struct OnceReport {
  std::uint64_t rows = 0;
  TreeHead head;
  std::optional<SignedHead> checkpoint;
  std::string not_signed_because;  // empty if this host signs
};

// Everything that was committed when it began: sweeps for sources that need them, then batches until
// nothing is left, then the checkpoint. `progress`, if set, hears the rows so far and how many there
// were at the beginning.
using RunProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;
[[nodiscard]] Result<OnceReport> run_once(pg::Connection& connection, const RunnerOptions& options,
                                          const RunProgress& progress);

// Loops until `stop`. Troubles are logged and waited out, with nothing sequenced meanwhile, so that
// it heals by itself. It returns an error for what contradicts a signature (kTampered), and for what
// was wrong from the beginning: no ledger, no rights, no guard.
[[nodiscard]] Result<void> run_loop(const RunnerOptions& options, const StopSignal& stop);

// Makes this host the one that signs: a new guard that stands at (size, root), which the tree must
// contain, and whose id the database names from now on.
[[nodiscard]] Result<void> accept_head(const Ledger& ledger, const std::string& state_directory,
                                       TreeSize size, const Hash& root);

}  // namespace pgtally
