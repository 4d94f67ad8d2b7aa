// Writers that know what they committed.
//
// Each writer has a session of its own, keeps its own list, and gives every row a body that no
// other row has. It mixes plain transactions, slow ones, rollbacks, savepoints and PL/pgSQL
// exception blocks over all three tables. A COMMIT whose answer was lost leaves its rows in doubt;
// they are looked up by their bodies once all writers are done.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "postgres/connection.h"
#include "postgres/transaction.h"
#include "torture/ledger_under_test.h"
#include "torture/truth.h"

namespace pgtally::torture {

struct WrittenRow {
  Table table;
  std::int64_t id;
  std::string body;
};

struct WriterRecord {
  std::vector<WrittenRow> committed;  // in the order in which they were written
  std::vector<WrittenRow> in_doubt;
  std::uint64_t transactions = 0;  // that were committed
  std::uint64_t rolled_back = 0;   // that the writer rolled back itself
  std::uint64_t exceptions = 0;    // committed transactions with PL/pgSQL exception blocks
  std::uint64_t savepoints = 0;    // … with a rollback to a savepoint
};

struct WorkloadOptions {
  int writers = 8;
  std::chrono::milliseconds pause{0};  // after each transaction
};

class Workload {
 public:
  static constexpr const char* kApplicationName = "torture-writer";

  Workload(std::string conninfo, WorkloadOptions options);
  ~Workload();
  void stop();

  // Rows that were committed so far.
  [[nodiscard]] std::uint64_t committed() const { return committed_; }
  // After stop().
  [[nodiscard]] const std::vector<WriterRecord>& records() const { return records_; }

 private:
  void write(std::size_t writer);

  std::string conninfo_;
  WorkloadOptions options_;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> committed_ = 0;
  std::vector<WriterRecord> records_;
  std::vector<std::thread> threads_;
};

// Transactions that hold low ids while all others come and go: one that has written to every table,
// one that has only drawn a key and written nothing, and one that is prepared.
class LongTransactions {
 public:
  explicit LongTransactions(const std::string& conninfo);
  // Commits all three, and says what they wrote.
  [[nodiscard]] std::vector<WrittenRow> commit();

 private:
  pg::Connection writer_;
  pg::Connection key_holder_;
  std::optional<pg::Transaction> written_;
  std::optional<pg::Transaction> drawn_;
  std::vector<WrittenRow> rows_;
  std::string prepared_;  // as a literal
  std::int64_t drawn_key_ = 0;
};

// Reads what was in doubt. No writer may be at work any more. The rows of a writer stand in the order
// in which he wrote them, but for those of reading, which is polled.
[[nodiscard]] Truth find_truth(const std::string& conninfo,
                               const std::vector<WriterRecord>& records,
                               const std::vector<WrittenRow>& others);

}  // namespace pgtally::torture
