// Ends the sleep of an idle loop before its time: rows were committed that it could take.
#pragma once

#include "pgtally/result.h"

namespace pgtally {

class Waker {
 public:
  [[nodiscard]] static Result<Waker> create();
  Waker(Waker&& other) noexcept;
  Waker& operator=(Waker&&) = delete;
  ~Waker();

  // Any thread. The next sleep ends at once if none is under way.
  void wake() const;

  // For the loop: what it polls for reading, and forgets once it is awake.
  [[nodiscard]] int descriptor() const { return descriptor_; }
  void forget() const;

 private:
  explicit Waker(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace pgtally
