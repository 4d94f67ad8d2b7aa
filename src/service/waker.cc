#include "service/waker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace pgtally {

Result<Waker> Waker::create() {
  const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor >= 0) return Waker(descriptor);
  return operator_error(std::string("cannot make an eventfd: ") + std::strerror(errno));
}

Waker::Waker(Waker&& other) noexcept : descriptor_(other.descriptor_) {
  other.descriptor_ = -1;
}

Waker::~Waker() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// Neither can fail but for a counter that is at its end, and then it is awake anyway.
void Waker::wake() const {
  [[maybe_unused]] const int failed = ::eventfd_write(descriptor_, 1);
}
void Waker::forget() const {
  eventfd_t count = 0;
  [[maybe_unused]] const int failed = ::eventfd_read(descriptor_, &count);
}

}  // namespace pgtally
