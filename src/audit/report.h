// What an audit has found. Filled by the audit, shown as text, JSON and HTML.
//
// Findings accuse; everything else explains. A row that may only be on its way into the log is no
// finding: it is counted as undecided, with what will decide it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/types.h"
#include "pgtally/verify.h"

namespace pgtally {

enum class FindingKind {
  kChanged,     // the row's content is not what was recorded last
  kMissing,     // recorded, not deleted in the log, not in the table
  kUnrecorded,  // in the table, not in the log, and no capture is going to bring it
  kLate,        // recorded out of its source's order, or long after the time that it claims
  kDuplicate,   // one key recorded, or in the table, more than once
  kNarrowed,    // a definition covers less than the one before
  kLog,         // the log is not what was signed, or contradicts itself
};

// "changed", "missing", …
[[nodiscard]] std::string_view name_of(FindingKind kind);

// The first signed checkpoint over an entry.
struct CoveredBy {
  TreeSize size;
  Time at;
};

struct Finding {
  FindingKind kind = FindingKind::kLog;
  std::string source = {};              // empty: the log itself
  std::vector<std::string> key = {};    // output texts; empty where it is about no single row
  std::optional<LeafIndex> id = {};     // the entry that is contradicted; the first of them
  std::optional<LeafIndex> to_id = {};  // behind the last of them, where there may be several
  std::string recorded = {};            // what the log says, for people
  std::string actual = {};              // what is there instead, for people
  std::optional<Time> recorded_at = {};
  std::optional<CoveredBy> covered_by = {};
};

// All are counted, the first kMostListed of each kind and source are kept.
class Findings {
 public:
  static constexpr std::size_t kMostListed = 1'000;

  void add(Finding finding);
  // So many that are not listed.
  void count_more(const std::string& source, FindingKind kind, std::uint64_t findings);
  [[nodiscard]] bool empty() const { return counts_.empty(); }
  [[nodiscard]] std::uint64_t count() const;
  [[nodiscard]] std::uint64_t count(FindingKind kind) const;
  // By source and kind.
  [[nodiscard]] const std::map<std::pair<std::string, FindingKind>, std::uint64_t>& counts() const {
    return counts_;
  }
  [[nodiscard]] const std::vector<Finding>& listed() const { return listed_; }
  [[nodiscard]] std::vector<Finding>& listed() { return listed_; }

 private:
  std::map<std::pair<std::string, FindingKind>, std::uint64_t> counts_;
  std::vector<Finding> listed_;
};

struct SourceReport {
  std::string name;
  std::string mode;
  std::string relation;
  std::string place;             // host:port/database, where it is not the ledger's own
  std::uint64_t entries = 0;     // of this source in the log
  std::uint64_t rows = 0;        // that were read from the table
  bool rows_checked = false;     // its rows were compared at all; if not, why_not says why
  bool content_checked = false;  // and their contents, not their keys alone
  std::string why_not;
  bool cannot_be_read = false;           // its rows should have been compared; see why_not
  std::vector<std::string> not_covered;  // columns of the table that nothing covers
  std::uint64_t undecided = 0;           // rows that differ, and may be on their way into the log
  std::vector<std::vector<std::string>> undecided_keys;  // the first of them
  std::string undecided_because;
};

// A checkpoint on the timeline of a report.
struct CheckpointMark {
  TreeSize size;
  Time at;
  std::vector<Cosigned> cosigned_by;  // by the policy that was given
};

struct AuditReport {
  std::string origin;
  std::string vkey;
  TreeSize size;
  Hash root;
  Time begun;  // the database's clock
  Time ended;
  Time first_entry;
  Time last_entry;
  std::uint64_t entries_checked = 0;
  std::uint64_t rows_checked = 0;
  std::uint64_t checkpoints_checked = 0;
  // The largest checkpoint that the operator cannot have made anew: from outside, or kept and witnessed.
  std::optional<TreeSize> remembered;
  // The largest kept one that enough witnesses have cosigned; nothing where the policy asks for none.
  std::optional<CheckpointMark> witnessed;
  std::vector<CheckpointMark>
      timeline;  // at most some hundreds, evenly thinned, first and last kept
  std::vector<SourceReport> sources;
  Findings findings;
  std::vector<std::string> remarks;  // what this audit can say and what not, a sentence each

  [[nodiscard]] bool ok() const { return findings.empty(); }
};

}  // namespace pgtally
