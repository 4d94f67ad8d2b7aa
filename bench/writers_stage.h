// Where a workload runs: a database without pgtally, and another one in which it records.
//
// Two workloads. Single-row inserts go into a table with a key. TPC-B-like is pgbench's own script on
// its own tables: in modes logical and trigger both pgbench_history and the updates of
// pgbench_accounts are recorded, in modes poll and xid, which see inserts alone, the history. Where
// the mode needs a key, the history gets one in both databases. What only the mode needs, such as the
// column and index of mode xid, only the recorded database has: it is part of the cost.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "harness.h"
#include "processes.h"

namespace pgtally::bench {

enum class Workload { kInserts, kTpcb };
inline constexpr Workload kWorkloads[] = {Workload::kInserts, Workload::kTpcb};
const char* name_of(Workload workload);

class WritersStage {
 public:
  WritersStage(Server& server, const std::string& mode, Workload workload);

  // Transactions a second of pgbench for so many seconds, each after a CHECKPOINT. With the service,
  // it starts when that runs and has nothing left to do; afterwards the service comes to the end of
  // its backlog and ends, so that the other side is alone.
  double alone(int clients, int seconds);
  double recorded(int clients, int seconds);
  // How long the service then took to come to the end of its backlog.
  [[nodiscard]] double backlog_seconds() const { return backlog_seconds_; }

  // What recording takes of the CPUs while so many transactions a second come, by 4 clients: in all
  // processes that are there for it alone, until the last row is in the log.
  struct Taken {
    double rows = 0;
    double service = 0;      // CPU seconds of pgtally run,
    double sessions = 0;     // of the server's processes for its sessions,
    double wal_sender = 0;   // and of the one that decodes for it
    double late_median = 0;  // seconds between a row's own time and its recording
  };
  Taken taken_at(int rate, int seconds);

  // What the server itself takes for it, without hashes, log or service: in mode trigger, a trigger
  // for each row that puts its key into a queue with the indexes of staging; in mode logical,
  // pg_recvlogical to /dev/null. Nothing in other modes, and with other workloads than inserts.
  [[nodiscard]] bool has_floor() const { return !floor_.empty(); }
  double floor(int clients, int seconds);

  // Seconds of a COPY of so many rows into the table of the inserts.
  double copy_alone(std::int64_t rows) { return copy(alone_, rows); }
  double copy_recorded(std::int64_t rows);

 private:
  void prepare(const std::string& conninfo, bool recorded);
  void prepare_floor();
  void add_sources();
  void start_service();
  void end_service();
  void await_idle();
  // Transactions a second; as many as it can, or `rate`.
  double pgbench(const std::string& conninfo, int clients, int seconds, int rate = 0);
  double copy(const std::string& conninfo, std::int64_t rows);

  std::string mode_;
  Workload workload_;
  std::string alone_;
  std::string recorded_;
  std::string floor_;
  std::string state_;
  std::filesystem::path script_;
  std::optional<Service> service_;
  double backlog_seconds_ = 0;
};

}  // namespace pgtally::bench
