// The tree over a log's entries while they are read, held against tiles, heads and what was signed.
//
// There are two trees as soon as an entry gives another leaf than its tile says, where the tile is the
// one that the level above was made of: the one as it was recorded, with the tile's leaf, and the plain
// one, of the entries as they are. The next root that was signed shows which is right: then the entry
// was changed, or the tiles were.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "audit/audited_log.h"
#include "audit/signed_roots.h"
#include "merkle/tile_comparison.h"
#include "merkle/tile_cutter.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

class TreeCheck {
 public:
  // An entry whose leaf is not the one that was recorded, or that is gone.
  struct BadLeaf {
    LeafIndex id;
    Hash recorded;
    std::optional<Hash> now;
  };
  // The entries [from, to) are not those that were signed, or that the tree head was made of; which of
  // them, the tree does not say.
  struct Mismatch {
    LeafIndex from;
    LeafIndex to;
    const SignedRoots::Root* root = nullptr;  // null: the tree head
    TreeSize size;
    Hash computed;
    std::uint64_t later = 0;  // further signed roots that do not fit either
  };

  // Both outlive it.
  TreeCheck(AuditedLog& log, const SignedRoots& roots, std::optional<StoredHeads> heads);

  // The tiles of the entries [from, to), at most kRange, `from` a multiple of it.
  static constexpr std::uint64_t kRange = std::uint64_t{kTileWidth} * kTileWidth;
  [[nodiscard]] Result<void> begin_range(LeafIndex from, LeafIndex to);
  // The next entry's leaf, nothing if it cannot be read. Gives the leaf that was recorded where that is
  // known to be another one. Reads nothing.
  std::optional<Hash> append(const std::optional<Hash>& leaf);
  // A whole tile of leaves at once, in half the time, where nothing in it is to be looked at: its leaves
  // are those that were recorded, and nothing was signed in between. False if it has to be append().
  [[nodiscard]] bool append_tile(std::span<const Hash> leaves);
  [[nodiscard]] Result<void> end_range();

  // After the last entry.
  void finish();

  [[nodiscard]] const std::vector<BadLeaf>& bad() const { return bad_; }
  // Was taken for bad, but what was signed says that its tile is.
  [[nodiscard]] bool is_acquitted(LeafIndex id) const { return acquitted_.contains(id); }
  [[nodiscard]] const std::optional<Mismatch>& mismatch() const { return mismatch_; }
  [[nodiscard]] bool head_is_wrong() const { return head_is_wrong_; }
  // What is wrong with tiles alone, a sentence and its counterpart each; one for each tile.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> tile_findings() const;
  [[nodiscard]] const Frontier& tree() const { return recorded_.frontier(); }

 private:
  static constexpr std::size_t kMostKept = 10'000;

  [[nodiscard]] bool is_right(std::uint64_t tile);
  void check_roots();
  void check_head();
  // Whether one of the two trees has this root; that one goes on.
  [[nodiscard]] bool agrees(const Hash& root);
  // What does not fit the writes; no leaf whose entry is told of.
  [[nodiscard]] Result<std::vector<TileFault>> faults_of(std::span<const TileWrite> writes);
  void narrow();

  AuditedLog& log_;
  const SignedRoots& roots_;
  std::optional<StoredHeads> heads_;
  TileComparison stored_;
  TileCutter recorded_;
  std::optional<TileCutter> plain_;
  bool plain_is_whole_ = true;
  std::size_t faults_before_plain_ = 0;  // those behind them are by the recorded tree, …
  std::vector<TileFault> plain_faults_;  // … and these by the plain one, if it is right
  std::optional<std::pair<std::uint64_t, bool>> right_;  // what is_right() said last
  std::size_t next_root_ = 0;
  LeafIndex good_;  // all entries before this one are as they were signed, …
  LeafIndex
      good_remembered_;  // … also by what is remembered: other roots may have been signed anew
  std::vector<BadLeaf> pending_;
  std::vector<BadLeaf> bad_;
  std::set<LeafIndex> acquitted_;
  std::vector<TileFault> faults_;
  std::uint64_t cut_off_ = 0;
  std::optional<Mismatch> mismatch_;
  std::optional<Mismatch> head_mismatch_;
  std::vector<Hash> nodes_at_head_;
  bool head_is_wrong_ = false;
};

}  // namespace pgtally
