// Whom a command trusts: --vkey or --policy.
#pragma once

#include <optional>
#include <string>

#include "cli/options.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"

namespace pgtally::cli {

struct Trust {
  std::optional<std::string> vkey;
  std::optional<std::string> policy;  // a file

  void declare(Options& options);
  // Refuses both, and neither.
  [[nodiscard]] Result<Policy> read() const;
};

}  // namespace pgtally::cli
