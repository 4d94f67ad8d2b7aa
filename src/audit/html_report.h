// The report of an audit as one page: for people who were not there, to be kept, printed and passed on.
//
// Needs nothing else, now or later: no file, no network, no script. Whatever comes from tables and
// logs is escaped (html_text.h).
#pragma once

#include <string>

#include "audit/report.h"

namespace pgtally {

[[nodiscard]] std::string html_of(const AuditReport& report);

}  // namespace pgtally
