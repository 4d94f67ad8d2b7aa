// Who may start and stop the server of a private cluster.
//
// Two files, both locked with flock(2), so that the kernel lets go for a process that dies:
//   pgtally.lock  held, exclusive, while somebody starts or stops the server: the gate
//   users.lock    held, shared, by everybody who uses the server
// Only who has the gate tries to lock users.lock exclusively, and so learns whether it is the last
// user without a moment in which another one could slip in.
#pragma once

#include <filesystem>

#include "pgtally/result.h"
#include "postgres/subprocess.h"

namespace pgtally::pg {

class ClusterLock {
 public:
  static constexpr const char* kGateFile = "pgtally.lock";
  static constexpr const char* kUsersFile = "users.lock";

  // Makes the files if they are missing, and gives them to `owner` if we are root.
  [[nodiscard]] static Result<ClusterLock> open(const std::filesystem::path& dir,
                                                const OsUser& owner);
  ClusterLock() = default;

  // Waits for whoever holds the gate.
  Result<void> enter_gate();
  void leave_gate();

  // Precondition of both: inside the gate.
  Result<void> become_user();
  [[nodiscard]] bool is_last_user();

  // False after release(), and in a child made by fork(), which shares the lock of its parent and
  // must not give it up.
  [[nodiscard]] bool is_held() const;
  void release();

 private:
  File gate_;
  File users_;
  pid_t holder_ = 0;
};

}  // namespace pgtally::pg
