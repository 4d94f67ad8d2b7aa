// What else a ledger's database says, held against its log: the registry and the documents that go with
// it, and whether the guards that keep honest software from mistakes are in force.
#pragma once

#include <vector>

#include "audit/ledger_audit_log.h"
#include "audit/log_check.h"
#include "audit/report.h"
#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

// kOperator, with the GRANT, if this session may not read what an audit of the log needs.
[[nodiscard]] Result<void> require_rights(const Ledger& ledger);

// kReject for a name that neither the registry nor the log has.
[[nodiscard]] Result<void> require_sources(const Ledger& ledger,
                                           const std::vector<std::string>& names);

// Adds to `log.of_entries` and `log.remarks`.
[[nodiscard]] Result<void> check_registry(const Ledger& ledger, const std::string& origin,
                                          const LedgerAuditLog& names, LogOutcome& log);

}  // namespace pgtally
