// Heads and checkpoints held against a tree that is computed anew, entry by entry.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/schema.h"
#include "merkle/frontier.h"
#include "pgtally/result.h"

namespace pgtally {

class HeadCheck {
 public:
  // Reads heads and checkpoints as they are, without believing any of them.
  [[nodiscard]] static Result<HeadCheck> load(const Ledger& ledger);

  // How many entries the tree should be computed over: as many as the newest head says, or all that
  // there are if it is damaged.
  [[nodiscard]] TreeSize tree_size() const { return size_; }

  // After every entry: compares where a checkpoint was made.
  void at_size(const Frontier& tree);
  // After the last one. `entry_is_named` says that a changed entry was found already.
  void finish(const Frontier& tree, bool entry_is_named);

  [[nodiscard]] const std::vector<std::string>& findings() const { return findings_; }
  // A checkpoint with a good signature has another root than the entries give.
  [[nodiscard]] bool log_was_changed() const { return log_was_changed_; }
  [[nodiscard]] bool head_is_damaged() const { return head_is_damaged_; }
  [[nodiscard]] const GuardId& guard_id() const { return guard_id_; }

 private:
  struct Signed {
    TreeSize size;
    Hash root;  // as the note says it
  };

  [[nodiscard]] Result<void> load_tree_head(const Ledger& ledger);
  [[nodiscard]] Result<void> load_log_head(const Ledger& ledger);
  [[nodiscard]] Result<void> load_checkpoints(const Ledger& ledger);
  void name_changed_range(const Frontier& tree);

  TreeSize size_;
  TreeSize log_size_;
  TreeSize head_size_;
  Hash head_root_;
  std::vector<Hash> head_frontier_;
  GuardId guard_id_{};
  std::vector<Signed> checkpoints_;  // by size
  std::size_t next_ = 0;
  bool first_mismatch_seen_ = false;
  bool log_was_changed_ = false;
  bool head_is_damaged_ = false;
  bool head_fits_itself_ = false;
  std::vector<std::string> findings_;
};

}  // namespace pgtally
