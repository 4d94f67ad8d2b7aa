// What an audit has found, for programs.
#pragma once

#include "audit/report.h"
#include "cli/json.h"

namespace pgtally::cli {

// Spec: docs/audit.md, section JSON.
[[nodiscard]] json::object json_audit(const AuditReport& report);

}  // namespace pgtally::cli
