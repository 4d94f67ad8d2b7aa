#include "capture/modes.h"

#include <array>

namespace pgtally {

CaptureModes capture_modes() {
  static const std::array<const CaptureMode*, 2> modes{&xid_mode(), &poll_mode()};
  return modes;
}

}  // namespace pgtally
