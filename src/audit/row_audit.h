// The row pass: every source's table once, against the last states that the log pass has heard of.
//
//   visit()     each entry of a source that is asked for goes into its KeyStates
//   compare()   then for each source: what is staged goes there as well; the table's rows are read,
//               hashed and compared (Comparison); what differs is judged (RowJudge)
//
// Memory: what the options allow, shared among the sources by their entries.
#pragma once

#include <memory>

#include "audit/audit.h"
#include "audit/audited_log.h"
#include "audit/row_places.h"
#include "pgtally/result.h"

namespace pgtally {

// The log outlives it. Of the options it takes sources, memory and progress.
[[nodiscard]] Result<std::unique_ptr<RowAudit>> make_row_audit(AuditedLog& log,
                                                               std::unique_ptr<RowPlaces> places,
                                                               const AuditOptions& options);

}  // namespace pgtally
