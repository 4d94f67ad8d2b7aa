// A child process that never outlives its parent, however the parent ends.
//
// Started by the main thread only: the kernel kills the child when the thread that started it ends.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace pgtally::torture {

class ChildProcess {
 public:
  // `arguments` begin with the program. Standard output and error are appended to `log`.
  ChildProcess(const std::vector<std::string>& arguments, const std::filesystem::path& log);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();  // SIGKILL, unless it has ended

  // False once it has ended by itself.
  [[nodiscard]] bool is_running();
  void send(int signal) const;
  // Waits for the end: its exit status, or 128 + the signal that ended it.
  int wait();

 private:
  pid_t pid_ = -1;
  int status_ = 0;  // once pid_ is -1
};

}  // namespace pgtally::torture
