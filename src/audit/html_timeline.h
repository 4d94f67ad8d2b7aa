// The picture of a report: when entries were recorded and signed, and where on that line the findings
// are.
#pragma once

#include <string>

#include "audit/report.h"

namespace pgtally::html {

// The colour of a kind, and the words that explain it.
[[nodiscard]] std::string_view meaning_of(FindingKind kind);

// One element; empty where there is nothing to show. As wide as its place, however narrow that is:
// what lies on the line of time is placed in per cent, and nothing is distorted.
[[nodiscard]] std::string timeline(const AuditReport& report);

// The mark of a kind, as it stands in the picture, in an element of 14 pixels.
[[nodiscard]] std::string mark_of(FindingKind kind);

}  // namespace pgtally::html
