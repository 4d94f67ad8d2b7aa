#pragma once

#include <memory>

#include "cli/command.h"

namespace pgtally::cli {

[[nodiscard]] std::unique_ptr<Command> source_move();

}  // namespace pgtally::cli
