// Folds entries into the tree: the one place that writes tiles and heads.
//
// Invariants
//   - the cutter stands at head().size, and head() is what the database held when it was loaded or
//     what this integrator wrote since, whether or not that was committed;
//   - so load() comes before the appends of each transaction; it costs nothing when the head is at
//     hand.
//
// Recovery costs O(log n): the head's frontier, and the entries of the level-0 tile that is not full
// yet (at most 255), which are checked against the frontier.
#pragma once

#include "ledger/ledger.h"
#include "ledger/tree_head.h"
#include "merkle/tile_cutter.h"
#include "pgtally/result.h"

namespace pgtally {

class Integrator {
 public:
  // Takes up the newest head of the database unless it is the one at hand. True if it had to load.
  [[nodiscard]] Result<bool> load(const Ledger& ledger);

  void append(ByteView entry);
  // Appends the entries up to `to` that were sequenced without this program.
  [[nodiscard]] Result<void> catch_up(const Ledger& ledger, LeafIndex to);

  // Writes the tiles and the head, if there is anything new; part of the caller's transaction.
  [[nodiscard]] Result<void> write(const Ledger& ledger);

  [[nodiscard]] const TreeHead& head() const { return head_; }

 private:
  TileCutter cutter_;
  TreeHead head_;
  bool loaded_ = false;
};

}  // namespace pgtally
