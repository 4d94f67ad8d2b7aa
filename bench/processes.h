// Programs beside the one that measures.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

namespace pgtally::bench {

// Runs it to its end and returns what it printed; fails, with that, unless it exits with 0.
std::string output_of(const std::vector<std::string>& command);

// `pgtally run`.
class Service {
 public:
  enum class Log { kRead, kDiscard };  // who does not read it must not keep it: the pipe would fill
  Service(const std::string& conninfo, const std::string& state_directory, Log log);
  ~Service();  // SIGTERM, and waits
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Until its log has the word in a line.
  void wait_for(const char* word);
  // Fails if it has ended.
  void check_running();
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  std::FILE* log_ = nullptr;
};

}  // namespace pgtally::bench
