#include "cli/terminal/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace pgtally::cli {
namespace {

bool wants_colours() {
  const char* refusal = std::getenv("NO_COLOR");
  if (refusal != nullptr && *refusal != '\0') return false;
  const char* terminal = std::getenv("TERM");
  return terminal != nullptr && std::string_view(terminal) != "dumb";
}

const char* code_of(Emphasis emphasis) {
  switch (emphasis) {
    case Emphasis::kGood:
      return "\033[32m";
    case Emphasis::kBad:
      return "\033[1;31m";
    case Emphasis::kHeading:
      return "\033[1m";
    case Emphasis::kFaint:
      return "\033[2m";
  }
  return "";
}

}  // namespace

Stream::Stream(std::FILE* file)
    : file_(file), is_tty_(::isatty(::fileno(file)) == 1), colours_(is_tty_ && wants_colours()) {}

void Stream::write(std::string_view text) {
  if (failure_ != 0) return;
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) failure_ = errno;
}

void Stream::line(std::string_view text) {
  write(text);
  write("\n");
}

std::size_t Stream::width() const {
  constexpr std::size_t kWithoutTerminal = 100;
  struct winsize size{};
  if (!is_tty_ || ::ioctl(::fileno(file_), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
    return kWithoutTerminal;
  }
  return size.ws_col;
}

std::string Stream::styled(std::string_view text, Emphasis emphasis) const {
  if (!colours_) return std::string(text);
  return code_of(emphasis) + std::string(text) + "\033[0m";
}

void Stream::flush() {
  if (std::fflush(file_) != 0 && failure_ == 0) failure_ = errno;
}

void Output::remark(std::string_view text) {
  if (quiet_) return;
  out_.flush();  // so that both keep their order where they end up in one place
  err_.line(text);
}

Result<void> Output::finish() {
  out_.flush();
  err_.flush();
  const int failure = out_.failure();
  if (failure == 0 || failure == EPIPE) return {};
  return operator_error(std::string("cannot write to standard output: ") + std::strerror(failure),
                        "What was printed so far is not complete.");
}

}  // namespace pgtally::cli
