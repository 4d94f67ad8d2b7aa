// What brings rows into staging from where the ledger's own SQL cannot read them: another database,
// or a replication slot. The readers themselves are in src/capture; this interface stands here
// because staging is who they write to.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

struct ReaderStep {
  std::uint64_t staged = 0;  // rows that the step staged
  // Something that was committed where it reads before the step began may not be staged yet: call
  // again at once. `run --once` goes on until no reader says so.
  bool may_have_more = false;
  std::chrono::steady_clock::duration waited{0};  // of its time, for something to come
  std::vector<std::string> remarks = {};          // what the operator should hear of, for the log
};

// Stages the rows of one source, or of several that share a replication slot.
//
// Invariants
//   - rows and the progress that they mean are one transaction of the ledger, so that whatever is
//     read again after a crash is not staged again;
//   - nothing is confirmed to a server before that transaction is durable.
//
//   - an error of step() concerns all of its sources, and is noted for each by whoever called it; what
//     concerns one of several the reader notes itself, with note_failure() and SQLSTATE TLO05, goes on
//     with the others, and takes the note back with heal() when the cause is gone.
//
// Used by one thread at a time. An error leaves it as if new: the next step connects again.
class Reader {
 public:
  virtual ~Reader() = default;

  // Which it is, for logs: "logical stream 1 (payment, login)". Readers are told apart by it, so it
  // changes with what they read: sources, definitions, place.
  [[nodiscard]] virtual const std::string& name() const = 0;
  // And by how they get there. May hold a password.
  [[nodiscard]] virtual const std::string& conninfo() const = 0;
  [[nodiscard]] virtual std::span<const std::int32_t> sources() const = 0;

  // Stages what is there now, up to a bound of its own; where nothing is, waits up to `wait` for
  // something to come. `ledger` is a connection for this reader alone, outside of any transaction.
  [[nodiscard]] virtual Result<ReaderStep> step(const Ledger& ledger,
                                                std::chrono::milliseconds wait) = 0;
};

using Readers = std::vector<std::unique_ptr<Reader>>;

// Makes the readers of all active sources that need one, as the registry has them now. Connects to
// nothing but the ledger.
using ReaderFactory = std::function<Result<Readers>(const Ledger&)>;

// What a source has waiting where its reader reads, for `status`. In the transaction of a step.
[[nodiscard]] Result<void> note_reading(const Ledger& ledger, std::int32_t source_id,
                                        std::uint64_t waiting_rows, std::optional<Time> oldest);

}  // namespace pgtally
