// Ten of them at once, each in a thread of its own, through every crash.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "torture/change_writer.h"

namespace pgtally::torture {

class ChangeWriters {
 public:
  ChangeWriters(const Databases& databases, const std::vector<SourceTable>& tables, int count);
  ~ChangeWriters();

  // All tables are sources by now: see ChangeWriter.
  void settle() { settled_ = true; }
  // Lets each use the keys that it still has and decide on what is prepared. The server has to stay
  // up. Throws if one could not.
  void stop();

  [[nodiscard]] std::uint64_t committed() const { return committed_; }
  // After stop().
  [[nodiscard]] const std::vector<ChangeRecord>& records() const { return records_; }

 private:
  void write(std::size_t number);
  void join();

  const Databases& databases_;
  const std::vector<SourceTable>& tables_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> settled_ = false;
  std::atomic<std::uint64_t> committed_ = 0;
  std::vector<ChangeRecord> records_;
  std::vector<std::string> errors_;
  std::vector<std::thread> threads_;
};

}  // namespace pgtally::torture
