// A ledger with rows that wait for it, made as a user would make it.
#pragma once

#include <memory>
#include <string>

#include "harness.h"
#include "ledger/ledger.h"
#include "service/cycle.h"
#include "service/runner.h"

namespace pgtally::bench {

enum class Mode { kPoll, kXid, kAppend };
inline constexpr Mode kModes[] = {Mode::kPoll, Mode::kXid, Mode::kAppend};
const char* name_of(Mode mode);

class BenchLedger {
 public:
  // In a fresh database: the ledger, a source with a hash column and a time, and that many rows,
  // from transactions of 10,000 rows. Nothing is blinded.
  BenchLedger(Server& server, Mode mode, std::int64_t rows);

  [[nodiscard]] const std::string& conninfo() const { return options_.conninfo; }
  [[nodiscard]] const RunnerOptions& options() const { return options_; }
  [[nodiscard]] pg::Connection& connection() { return *connection_; }
  // Of the log once all rows are in it.
  [[nodiscard]] std::uint64_t full_size() const { return full_size_; }

  // What `pgtally run --once` does. Returns the size that was signed.
  std::uint64_t run_once(std::int32_t batch_rows, StepObserver* observer = nullptr);
  // CPU seconds of the server's process in the last run_once() or bare_insert().
  [[nodiscard]] double server_cpu() const { return server_cpu_; }

  // The same rows into a table with the columns and indexes of processed_log, in one statement:
  // what PostgreSQL itself can do. Returns how many.
  std::uint64_t bare_insert();

 private:
  RunnerOptions options_;
  std::optional<pg::Connection> connection_;
  Mode mode_;
  std::uint64_t full_size_ = 0;
  double server_cpu_ = 0;
};

}  // namespace pgtally::bench
