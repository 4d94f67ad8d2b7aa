// The ledger that is tampered with: 100,000 entries of five tables, each captured in another way, and of
// staging; in a private cluster without data checksums, because whoever edits files sees to these, too.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "postgres/private_cluster.h"
#include "support/test_database.h"
#include "torture/child_process.h"

namespace pgtally::tamper {

inline constexpr const char* kOrigin = "tamper.example/log";

class Specimen {
 public:
  Specimen();
  ~Specimen();
  Specimen(const Specimen&) = delete;
  Specimen& operator=(const Specimen&) = delete;

  // Of a database of the cluster.
  [[nodiscard]] std::string conninfo(const std::string& database = kName) const;
  static constexpr const char* kName = "specimen";

  // Comes back when that much time has passed since the first load.
  static constexpr const char* kAge = "20s";
  void age() const;

  // One more database that is as the specimen was when it was made.
  void copy_to(const std::string& database) const;
  void drop(const std::string& database) const;

  // What a service does that is started, and stopped when there is no more to do.
  void run_service() const { run_service(kName, state()); }
  // One that runs until what this returns is destroyed.
  [[nodiscard]] torture::ChildProcess start_service() const;
  // A ledger of the same name and key, made anew by the same operator, over rows that `change` has
  // changed before.
  void write_anew(const std::string& database, const std::string& change) const;
  // Kept when the ledger was made.
  [[nodiscard]] std::string outside_checkpoint() const;

  void stop();
  void start();
  [[nodiscard]] std::filesystem::path data() const;
  [[nodiscard]] const test::TestDirectory& directory() const { return directory_; }
  [[nodiscard]] std::string state() const;

  [[nodiscard]] std::string key_file() const;

 private:
  void found(const std::string& database, const std::string& state, const std::string& change,
             const std::vector<std::string>& init) const;
  void run_service(const std::string& database, const std::string& state) const;

  test::TestDirectory directory_;
  pg::PrivateCluster cluster_;
  std::chrono::steady_clock::time_point loaded_;
};

// Statements in a session of its own, as superuser. Throws with the server's message.
std::string sql(const std::string& conninfo, const std::string& text);

}  // namespace pgtally::tamper
