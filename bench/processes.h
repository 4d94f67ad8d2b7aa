// Programs beside the one that measures.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace pgtally::bench {

// Runs it to its end and returns what it printed; fails, with that, unless it exits with 0.
std::string output_of(const std::vector<std::string>& command);

// A program in the background, until SIGTERM at the end.
class Process {
 public:
  // All its output goes to `out`, or nowhere.
  explicit Process(const std::vector<std::string>& command, int out = -1);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Fails if it has ended.
  void check_running();
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  std::string name_;
  pid_t pid_ = 0;
};

// `pgtally run`.
class Service {
 public:
  enum class Log { kRead, kDiscard };  // who does not read it must not keep it: the pipe would fill
  Service(const std::string& conninfo, const std::string& state_directory, Log log);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Until its log has the word in a line.
  void wait_for(const char* word);
  void check_running() { process_->check_running(); }
  [[nodiscard]] pid_t pid() const { return process_->pid(); }

 private:
  std::optional<Process> process_;
  std::FILE* log_ = nullptr;
};

}  // namespace pgtally::bench
