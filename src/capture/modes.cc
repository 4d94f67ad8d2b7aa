#include "capture/modes.h"

#include <array>

namespace pgtally {

CaptureModes capture_modes() {
  static const std::array<const CaptureMode*, 4> modes{&xid_mode(), &poll_mode(), &trigger_mode(),
                                                       &logical_mode()};
  return modes;
}

}  // namespace pgtally
