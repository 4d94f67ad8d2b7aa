// `pgtally demo tamper`: the ways in which rows and log can be falsified, each found by an audit.
#pragma once

#include "cli/demo_stage.h"
#include "pgtally/result.h"

namespace pgtally::cli {

[[nodiscard]] Result<void> play_tampering(const DemoStage& stage);

}  // namespace pgtally::cli
