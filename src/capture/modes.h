// The capture modes that there are.
#pragma once

#include "ledger/capture_mode.h"

namespace pgtally {

[[nodiscard]] const CaptureMode& xid_mode();
[[nodiscard]] const CaptureMode& poll_mode();
[[nodiscard]] const CaptureMode& trigger_mode();
[[nodiscard]] const CaptureMode& logical_mode();

// All of them, the preferred one first.
[[nodiscard]] CaptureModes capture_modes();

}  // namespace pgtally
