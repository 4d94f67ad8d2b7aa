// An audit of a bundle against a database in which nothing but the tables is seen.
//
// Trusts the policy that it is given, and nothing in the bundle. What it can say of rows that are newer
// than the bundle, and what not, is in bundle_places.h.
#pragma once

#include "audit/audit.h"
#include "audit/bundle_log.h"
#include "audit/report.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

// `options.wait` and `options.policy` mean nothing here. `as_of_bundle`: nobody has written to the
// tables since the bundle was made. kReject for a source that the bundle's entries do not name, and for
// a bundle of another ledger than the policy's.
[[nodiscard]] Result<AuditReport> audit_bundle(BundleLog& log, pg::Connection& connection,
                                               const Policy& policy, const AuditOptions& options,
                                               bool as_of_bundle);

}  // namespace pgtally
