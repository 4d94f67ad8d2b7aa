#include "service/stop_signal.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace pgtally {
namespace {

std::atomic<int> write_end{-1};
std::atomic<bool> was_requested{false};

void on_signal(int signal_number) {
  const int saved = errno;
  was_requested = true;
  const char byte = 's';
  // The pipe never fills: after the first byte the handlers are the default ones.
  [[maybe_unused]] const ssize_t written = ::write(write_end, &byte, 1);
  std::signal(signal_number, SIG_DFL);
  errno = saved;
}

}  // namespace

Result<StopSignal> StopSignal::install() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return operator_error(std::string("cannot make a pipe: ") + std::strerror(errno));
  }
  was_requested = false;
  write_end = ends[1];
  std::signal(SIGTERM, on_signal);
  std::signal(SIGINT, on_signal);
  return StopSignal(ends[0]);
}

StopSignal::StopSignal(StopSignal&& other) noexcept : read_end_(other.read_end_) {
  other.read_end_ = -1;
}

StopSignal::~StopSignal() {
  if (read_end_ < 0) return;
  std::signal(SIGTERM, SIG_DFL);
  std::signal(SIGINT, SIG_DFL);
  ::close(write_end.exchange(-1));
  ::close(read_end_);
}

bool StopSignal::requested() const {
  return was_requested;
}

bool StopSignal::wait_for(std::chrono::milliseconds time, const Waker* waker) const {
  // A negative descriptor is passed over.
  pollfd waiting[2] = {{read_end_, POLLIN, 0},
                       {waker != nullptr ? waker->descriptor() : -1, POLLIN, 0}};
  if (!requested()) ::poll(waiting, 2, static_cast<int>(time.count()));
  if (waiting[1].revents != 0) waker->forget();
  return requested();
}

}  // namespace pgtally
