// A progress bar for work that takes longer than a second, on a terminal only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/terminal/output.h"

namespace pgtally::cli {

struct ProgressState {
  std::string doing;  // "sequencing"
  std::uint64_t done = 0;
  std::optional<std::uint64_t> total;
  std::chrono::microseconds elapsed{};
};

// One line of at most `width` columns:
// "sequencing  ███████▌      58%  1,160,000 of 2,000,000  412,000/s  2.0 s left"
// Without a total, or with one that was exceeded, there is no bar and no time left.
[[nodiscard]] std::string progress_line(const ProgressState& state, std::size_t width);

// Draws on stderr, over its own last line, ten times a second at most; nothing in the first second,
// nothing with --quiet, nothing where stderr is no terminal. Takes its line away when destroyed.
class Progress {
 public:
  Progress(Output& output, std::string doing, std::optional<std::uint64_t> total = {});
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap enough to be called for every batch.
  void update(std::uint64_t done);
  void update(std::uint64_t done, std::uint64_t total);
  // Takes the line away, so that other things can be printed; the next update draws it again.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  Output& output_;
  bool enabled_;
  ProgressState state_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point drawn_ = begin_;
  bool visible_ = false;
};

}  // namespace pgtally::cli
