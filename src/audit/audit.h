// An audit: the log first, then the rows. Start here.
//
//   audit_ledger   over the ledger's database: the command `pgtally audit`
//   run_audit      the same with the log and the rows from wherever they are: a bundle
//
// Everything that is read is untrusted, but for what the options name. Nothing is written.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/audited_log.h"
#include "audit/entry_visitor.h"
#include "audit/log_check.h"
#include "audit/outside.h"
#include "audit/report.h"
#include "audit/side_sessions.h"
#include "ledger/ledger.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"

namespace pgtally {

struct AuditOptions {
  std::vector<std::string> sources = {};        // by name; none: all
  std::vector<OutsideCheckpoint> outside = {};  // notes, not verified yet; see outside.h
  // A copy of the log that was published: a directory, or a URL. Its checkpoint counts as one from
  // outside, and where the log differs it is asked what was published.
  std::string published = {};
  // Whose signatures count, and which witnesses; nothing: the vkey that the ledger itself names, and
  // then a checkpoint from outside is the only thing that the operator cannot have made up.
  std::optional<Policy> policy = {};
  std::chrono::microseconds late_after{std::chrono::hours(1)};
  // How long rows that may be on their way are waited for, in all.
  std::chrono::milliseconds wait{30'000};
  // Of the entries and rows in memory; what does not fit goes to files without a name. By default the
  // last states of a million keys fit.
  std::size_t memory = std::size_t{100} << 20;
  // "checking the log", "reading payment": total is an estimate, 0 if there is none.
  std::function<void(std::string_view phase, std::uint64_t done, std::uint64_t total)> progress =
      {};
};

// The second pass. It hears every entry while the first is under way, asking AuditedLog::salts() where
// it needs some, and compares once that has ended. Sources that were not asked for it passes over.
// `duplicate` is found here: only the last states of the keys show that one was living when it was
// inserted again.
class RowAudit : public EntryVisitor {
 public:
  // Adds to `log.findings` and to `log.suspects`; leaves covered_by and recorded_at of its findings
  // empty, the driver fills them in from the entry's id. A source that is not asked for is not in the
  // result.
  [[nodiscard]] virtual Result<std::vector<SourceReport>> compare(LogOutcome& log) = 0;
};

// The rows of a ledger's sources, in the snapshot that the ledger's connection is in (row_audit.cc). The
// log and the ledger outlive it, and so do the ledger's side sessions, if there are any.
[[nodiscard]] Result<std::unique_ptr<RowAudit>> rows_of_ledger(const Ledger& ledger,
                                                               AuditedLog& log,
                                                               const AuditOptions& options,
                                                               SideSessions* sides = nullptr);

// kReject for a source that the log does not know; kOperator for what may not be read, with the GRANT.
[[nodiscard]] Result<AuditReport> audit_ledger(const Ledger& ledger, const AuditOptions& options);

// `vkey`: the log's, as the caller trusts it; its name is the origin.
[[nodiscard]] Result<AuditReport> run_audit(AuditedLog& log, RowAudit& rows, const Policy& policy,
                                            const AuditOptions& options);

}  // namespace pgtally
