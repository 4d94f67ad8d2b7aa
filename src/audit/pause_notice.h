// Notices that changes of sources are not recorded for a while, or are again.
//
// Spec: docs/formats.md, section Notices.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/types.h"

namespace pgtally {

// Between these entries, changes of a source were not recorded; `to` is none while it lasts.
struct Pause {
  LeafIndex from;
  std::optional<LeafIndex> to;
};

struct PauseNotice {
  // kMissed: changes from before it were not recorded.
  enum class Kind { kBegins, kEnds, kMissed };
  Kind kind = Kind::kBegins;
  std::vector<std::string> sources;
};

// Nothing for a notice of any other event, or what is none.
[[nodiscard]] std::optional<PauseNotice> pause_of(std::string_view notice);

}  // namespace pgtally
