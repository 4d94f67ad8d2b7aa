// Programs of the PostgreSQL server, started under another user where need be.
//
// Safe in a process with threads: between fork and exec nothing is called that may lock or
// allocate.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "pgtally/result.h"

namespace pgtally::pg {

struct OsUser {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;

  [[nodiscard]] static OsUser current();
  // kOperator if there is no such user.
  [[nodiscard]] static Result<OsUser> by_name(const std::string& name);
  [[nodiscard]] static OsUser by_id(uid_t uid);
};

// A file descriptor that is closed at the end; -1 for none.
class File {
 public:
  explicit File(int descriptor = -1) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(other.release()) {}
  File& operator=(File&& other) noexcept;
  ~File() { close(); }

  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  int release();
  void close();

 private:
  int descriptor_;
};

struct Command {
  // The directory behind `directory`, as the program that is started sees it, whether or not its
  // user could reach it by its name.
  static constexpr const char* kDirectory = "/proc/self/fd/9";

  std::vector<std::string> arguments;  // the first is the program, with its full path
  OsUser user;                         // switched to if we are root
  int output = -1;                     // takes standard output and error; -1 for /dev/null
  int directory = -1;                  // handed on as kDirectory; -1 for none
  std::string input = {};              // at most 4096 bytes
};

// Runs the command and returns its exit status, 128 + signal if a signal ended it. The command has
// a session of its own, "/" as its working directory, PATH and TZ for an environment, and no other
// file open.
[[nodiscard]] Result<int> run(const Command& command);

// Starts the command likewise, but does not wait and does not become its parent.
[[nodiscard]] Result<pid_t> start_in_background(const Command& command);

}  // namespace pgtally::pg
