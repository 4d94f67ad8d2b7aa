// The service of all_modes, and what happens to it: it is killed every few seconds, or the server is.
#pragma once

#include <filesystem>
#include <optional>
#include <random>
#include <string>

#include "support/test_database.h"
#include "torture/child_process.h"

namespace pgtally::torture {

class Storm {
 public:
  // Starts `pgtally run`. All calls by the main thread.
  Storm(test::TestCluster& cluster, const std::string& conninfo,
        const test::TestDirectory& directory);

  // Waits two to four seconds, then strikes: SIGKILL of the service, or `pg_ctl stop -m immediate`,
  // or both at once. Both are up again when it returns. Throws if the service had ended by itself.
  void strike();
  // SIGTERM; throws unless the service ends with status 0.
  void end_service();

  // What the service said last.
  [[nodiscard]] std::string last_words() const;
  [[nodiscard]] int kills() const { return kills_; }
  [[nodiscard]] int crashes() const { return crashes_; }

 private:
  void start_service();
  void check_running();

  test::TestCluster& cluster_;
  std::string conninfo_;
  const test::TestDirectory& directory_;
  std::filesystem::path log_;
  std::optional<ChildProcess> service_;
  std::mt19937 random_{20261123};
  int kills_ = 0;
  int crashes_ = 0;
};

}  // namespace pgtally::torture
