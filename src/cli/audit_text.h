// What an audit has found, for people: the verdict first, then each source, then what was found, and at
// the end what the audit can say and what not.
#pragma once

#include <string>

#include "audit/report.h"
#include "cli/terminal/output.h"

namespace pgtally::cli {

// Of each source and kind at most kMostShown findings, unless `all`; the counts are always complete.
inline constexpr std::size_t kMostShown = 20;
[[nodiscard]] std::string text_of(const AuditReport& report, const Stream& stream, bool all);

// "2 findings: 1 changed, 1 missing", or what was found to be well.
[[nodiscard]] std::string verdict_of(const AuditReport& report);

}  // namespace pgtally::cli
