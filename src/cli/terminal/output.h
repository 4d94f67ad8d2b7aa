// Where a command's words go: results to stdout, remarks and errors to stderr.
//
// Nothing here fails. Whether everything arrived is known at the end, from finish().
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "pgtally/result.h"

namespace pgtally::cli {

enum class Emphasis { kGood, kBad, kHeading, kFaint };

// One of the two streams. Colours come only to a terminal, and not if NO_COLOR is set.
class Stream {
 public:
  explicit Stream(std::FILE* file);

  void write(std::string_view text);
  void line(std::string_view text);

  [[nodiscard]] bool is_tty() const noexcept { return is_tty_; }
  // Of the terminal; 100 where there is none.
  [[nodiscard]] std::size_t width() const;
  [[nodiscard]] std::string styled(std::string_view text, Emphasis emphasis) const;

  void flush();
  // The first errno that a write ended with, or 0.
  [[nodiscard]] int failure() const noexcept { return failure_; }

 private:
  std::FILE* file_;
  bool is_tty_;
  bool colours_;
  int failure_ = 0;
};

class Output {
 public:
  Output(std::FILE* out, std::FILE* err, bool quiet) : out_(out), err_(err), quiet_(quiet) {}

  [[nodiscard]] Stream& out() noexcept { return out_; }
  [[nodiscard]] Stream& err() noexcept { return err_; }
  [[nodiscard]] bool quiet() const noexcept { return quiet_; }

  // A result.
  void line(std::string_view text) { out_.line(text); }
  void write(std::string_view text) { out_.write(text); }
  // Something that is good to know but not what was asked for; not said with --quiet.
  void remark(std::string_view text);

  // Flushes. A reader that went away is no error, a full disk is.
  [[nodiscard]] Result<void> finish();

 private:
  Stream out_;
  Stream err_;
  bool quiet_;
};

}  // namespace pgtally::cli
