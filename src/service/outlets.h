// Ways out for checkpoints: a thread for each, which never holds up the one that sequences.
//
// Each outlet is served at once when a checkpoint was stored, and at least every kLook, because other
// instances sign too. It has a connection of its own, and looks in the ledger for what there is to
// deliver; checkpoints that come while it works are not queued, the next round takes the newest. A
// failure is logged when it changes, and tried again with backoff.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

struct Outlet {
  // True once the work should come to an end.
  using Cancelled = std::function<bool()>;

  std::string name;  // "publishing to /srv/log", for the log
  // Delivers what is new, and returns at once if nothing is. Called from one thread at a time.
  std::function<Result<void>(const Ledger&, const Cancelled&)> deliver;
};

class Outlets {
 public:
  static constexpr std::chrono::milliseconds kLook{1000};
  // So long the last round may take, once they are to stop.
  static constexpr std::chrono::seconds kGrace{5};

  Outlets(const std::string& conninfo, const std::string& schema, std::vector<Outlet> outlets);
  Outlets(const Outlets&) = delete;
  Outlets& operator=(const Outlets&) = delete;
  // Each outlet has a last round if a checkpoint came since it began its last one.
  ~Outlets();

  // Returns at once; from any thread.
  void wake();

 private:
  class Worker;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace pgtally
