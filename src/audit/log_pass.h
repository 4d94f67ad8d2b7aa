// The log pass at work: see log_check.h. Reading is in log_pass.cc, what follows from it in
// log_verdict.cc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audit/log_check.h"
#include "audit/signed_roots.h"
#include "audit/tree_check.h"

namespace pgtally {

class LogPass {
 public:
  LogPass(AuditedLog& log, const LogCheckOptions& options, EntryVisitor& visitor, SignedRoots roots,
          std::optional<StoredHeads> heads)
      : log_(log),
        options_(options),
        visitor_(visitor),
        roots_(std::move(roots)),
        heads_(heads),
        tree_(log, roots_, std::move(heads)),
        order_(log, options.late_after) {}

  [[nodiscard]] Result<LogOutcome> run();

 private:
  // Of each list that only grows if the log was damaged.
  static constexpr std::size_t kMostRemembered = 10'000;

  struct Unreadable {
    LeafIndex id;
    std::string problem;
    bool in_tree = false;  // a tile still has its leaf
  };

  [[nodiscard]] Result<void> read_range(LeafIndex from, LeafIndex to);
  [[nodiscard]] Result<void> take_some(LeafIndex first, std::span<const ByteView> entries);
  [[nodiscard]] Result<void> take(LeafIndex id, ByteView bytes,
                                  const std::optional<Hash>& recorded);
  void check_witnesses(LeafIndex id, const EntryView& entry);
  void check_signing_times(LeafIndex id, const EntryView& entry);
  [[nodiscard]] Result<void> ask_problems();

  [[nodiscard]] Result<void> conclude();
  void report(Finding finding);
  void report_order();
  [[nodiscard]] Result<void> report_bad();
  void report_unreadable();
  [[nodiscard]] Result<void> report_end();
  [[nodiscard]] Result<void> report_mismatch();
  [[nodiscard]] Result<void> report_only(LeafIndex id);
  [[nodiscard]] Result<bool> compare_with_published(LeafIndex from, LeafIndex to);
  void report_heads();
  void report_witnesses();
  void report_founding();
  [[nodiscard]] bool is_explained(const TreeCheck::Mismatch& mismatch) const;
  [[nodiscard]] Result<std::optional<Entry>> published_entry(LeafIndex id);

  AuditedLog& log_;
  const LogCheckOptions& options_;
  EntryVisitor& visitor_;
  SignedRoots roots_;
  std::optional<StoredHeads> heads_;
  TreeCheck tree_;
  EntryOrder order_;
  LogOutcome out_;
  std::vector<Hash> leaves_;  // of the entries that are looked at
  std::vector<LeafIndex> to_ask_;
  std::vector<Unreadable> unreadable_;
  std::optional<CoveredBy> signed_last_;   // of kept checkpoints, by their own word
  std::map<LeafIndex, Entry> remembered_;  // bad ones, as they are now
  std::vector<LeafIndex> misfits_;
  std::size_t next_witnessed_ = 0;
  std::optional<Finding> too_late_;
  std::optional<Finding> too_early_;
  std::uint64_t late_marks_ = 0;
  std::uint64_t early_marks_ = 0;
  TreeSize beyond_;  // as many entries there were once, if more than there are
};

}  // namespace pgtally
