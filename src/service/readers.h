// Runs a ledger's readers: beside the cycle, each in a thread with a ledger connection of its own, so
// that one that is slow or fails holds up no other; or one after the other, for `run --once`.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "ledger/reader.h"
#include "pgtally/result.h"
#include "service/stop_signal.h"
#include "service/waker.h"

namespace pgtally {

// Where the threads find the ledger, what makes them, and who takes what they stage.
struct ReaderHome {
  std::string conninfo;
  std::string schema;
  ReaderFactory factory;
  const Waker* waker = nullptr;  // told of whatever is staged; may be empty, outlives the pool
};

// Invariant: one thread for each reader that the registry had at the last refresh(). An error is
// noted for the reader's sources and logged when it changes; the reader is tried again with backoff.
class ReaderPool {
 public:
  // `stop` outlives the pool.
  ReaderPool(ReaderHome home, const StopSignal& stop);
  ReaderPool(const ReaderPool&) = delete;
  ReaderPool& operator=(const ReaderPool&) = delete;
  ~ReaderPool();  // asks them to stop and waits for them

  // Starts readers that are new in the registry, stops those that are not in it any more.
  [[nodiscard]] Result<void> refresh(const Ledger& ledger);

 private:
  class Worker;
  ReaderHome home_;
  const StopSignal& stop_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

// Every reader until it has staged what was committed when it began. One that fails is noted and
// passed over. An error is the ledger's own.
[[nodiscard]] Result<void> read_everything(const Ledger& ledger, const ReaderFactory& factory);

}  // namespace pgtally
