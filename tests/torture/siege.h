// A service, writers, and whoever kills the one under the eyes of the others.
#pragma once

#include <array>
#include <cstdint>
#include <fstream>
#include <optional>
#include <random>
#include <string>

#include "support/test_database.h"
#include "torture/child_process.h"
#include "torture/comparison.h"
#include "torture/history.h"
#include "torture/step_board.h"
#include "torture/workload.h"

namespace pgtally::torture {

// How often SIGKILL hit while this was the last step that the service had reached.
struct Hits {
  std::array<int, kSteps> targeted{};
  std::array<int, kSteps> random{};
  int before_first_step = 0;
  // Of those with COMMIT sent: whether the server then carried it out.
  int commit_happened = 0;
  int commit_never_happened = 0;

  [[nodiscard]] int total() const;
  [[nodiscard]] int fewest() const;
};

class Siege {
 public:
  Siege();

  // Each starts the service, kills it in its own way, starts it again and checks everything.
  void kill_at(Step step);
  // COMMIT is on its way and nothing has come back. The server's process is stopped meanwhile, then
  // goes on with what was sent to it, or ends without having read it.
  void kill_at_commit(bool happens);
  void kill_at_random();
  // Kills it while a second instance goes on, then that one.
  void kill_beside_another();
  // `pg_ctl stop -m immediate` while the service stays at `step`; the service has to survive that.
  void crash_server_at(Step step);

  // Lets the writers end, and compares the log with what they committed.
  [[nodiscard]] Comparison finish();

  [[nodiscard]] const Hits& hits() const { return hits_; }
  [[nodiscard]] int server_crashes() const { return server_crashes_; }
  [[nodiscard]] std::size_t signatures() const { return signatures_; }
  [[nodiscard]] std::size_t notes() const { return history_.size(); }

 private:
  [[nodiscard]] ChildProcess start(const std::string& board);
  void start_service();
  void wait_until_stored(std::uint64_t more);
  void linger_at(Step step);
  void kill(bool targeted);
  void recover();
  void check();
  void check_log(const Ledger& ledger);
  void take_signatures();

  test::TestCluster cluster_;
  test::TestDirectory directory_;
  std::string conninfo_;
  std::mt19937 random_{20261123};
  SharedBoard board_;
  std::optional<ChildProcess> service_;
  std::optional<Workload> workload_;
  History history_;
  std::ifstream signatures_file_;
  std::size_t signatures_ = 0;
  Hits hits_;
  int server_crashes_ = 0;
};

}  // namespace pgtally::torture
