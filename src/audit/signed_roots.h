// All that was signed about a log, held against the tree while it is computed: the checkpoints that are
// kept, and those from outside.
//
// Whoever has the log's key can sign all of it anew. What he cannot make anew is remembered: those from
// outside, and kept ones that enough witnesses have cosigned. A kept one may still wait for its witnesses,
// but where the policy asks for them, some have to be remembered. Memory: some 60 bytes for each that is kept.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/audited_log.h"
#include "audit/outside.h"
#include "audit/report.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

class SignedRoots {
 public:
  struct Root {
    TreeSize size;
    Hash root;
    Time at;           // kept: when it was signed, by the operator
    Time witnessed;    // the earliest cosignature by a witness of the policy; none: Time::kNone
    std::string from;  // outside: where it was kept; empty: by the ledger
    bool is_remembered = false;
  };

  // Verifies everything. What is wrong with a kept one is a finding; a checkpoint from outside that
  // does not verify is kReject, because then nothing is known of the log.
  [[nodiscard]] static Result<SignedRoots> load(AuditedLog& log, const Policy& policy,
                                                const std::vector<OutsideCheckpoint>& outside);

  // By ascending size; of equal sizes, those that are remembered first, and of these those from outside.
  [[nodiscard]] const std::vector<Root>& all() const { return roots_; }
  // What goes into a report: kept ones, with the witnesses that cosigned.
  [[nodiscard]] const std::vector<CheckpointMark>& marks() const { return marks_; }
  [[nodiscard]] std::vector<Finding>& findings() { return findings_; }
  [[nodiscard]] std::uint64_t checked() const { return checked_; }
  // The largest that is remembered.
  [[nodiscard]] std::optional<TreeSize> remembered() const;
  // The largest kept one that is.
  [[nodiscard]] const std::optional<CheckpointMark>& witnessed() const { return witnessed_; }
  [[nodiscard]] const std::string& origin() const { return origin_; }

 private:
  [[nodiscard]] Result<void> add_kept(const AuditedCheckpoint& kept, const Policy& key,
                                      const Policy& policy);
  [[nodiscard]] Result<void> add_outside(const OutsideCheckpoint& outside, const Policy& policy);

  std::string origin_;
  std::vector<Root> roots_;
  std::vector<CheckpointMark> marks_;
  std::vector<Finding> findings_;
  std::optional<CheckpointMark> witnessed_;
  std::uint64_t checked_ = 0;
};

}  // namespace pgtally
