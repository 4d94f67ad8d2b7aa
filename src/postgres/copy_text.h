// A line of COPY … TO STDOUT in text format, taken apart into its values.
//
// Each value is what its type's output function wrote. Spec: PostgreSQL's COPY documentation, "Text
// Format".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/result.h"

namespace pgtally::pg {

class CopyLine {
 public:
  // The views live until the next call, and no longer than `line`. Refuses what a server does not
  // write: a line that ends within an escape.
  [[nodiscard]] Result<void> parse(std::string_view line);

  [[nodiscard]] std::span<const std::optional<std::string_view>> values() const { return values_; }

 private:
  std::vector<std::optional<std::string_view>> values_;
  std::string unescaped_;  // what the values with escapes in them point into
};

}  // namespace pgtally::pg
