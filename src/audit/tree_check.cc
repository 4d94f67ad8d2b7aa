#include "audit/tree_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/encoding.h"

namespace pgtally {
namespace {

// The entries that lie under a hash of a tile: [first, second), as far as numbers go.
std::pair<std::uint64_t, std::uint64_t> entries_under(const TileFault& fault) {
  const int shift = kTileHeight * fault.tile.level;
  const std::uint64_t place = fault.tile.index * kTileWidth + fault.place;
  return {place << shift, (place + 1) << shift};
}

std::string path_of(TileId tile) {
  return tile_path({tile, kTileWidth});
}

}  // namespace

TreeCheck::TreeCheck(AuditedLog& log, const SignedRoots& roots, std::optional<StoredHeads> heads)
    : log_(log),
      roots_(roots),
      heads_(std::move(heads)),
      stored_([this](std::span<const TileId> ids) { return log_.tiles(ids); }) {
  if (!heads_) return;
  const auto restored = Frontier::restore(heads_->size, heads_->frontier);
  if (restored.ok() && restored->root() == heads_->root) return;
  head_is_wrong_ = true;
  heads_.reset();
}

Result<void> TreeCheck::begin_range(LeafIndex from, LeafIndex to) {
  right_.reset();
  std::vector<TileId> ids;
  if (log_.has_tiles()) {
    for (std::uint64_t tile = from.value / kTileWidth; tile < to.value / kTileWidth; ++tile) {
      ids.push_back({0, tile});
    }
    if (!ids.empty()) ids.push_back({1, from.value / kRange});
  }
  return stored_.load(ids);
}

bool TreeCheck::is_right(std::uint64_t tile) {
  if (!right_ || right_->first != tile) {
    // Both tiles are loaded, so this reads nothing and cannot fail.
    const auto right = stored_.was_right({0, tile});
    right_ = {tile, right.ok() && *right};
  }
  return right_->second;
}

std::optional<Hash> TreeCheck::append(const std::optional<Hash>& leaf) {
  const LeafIndex id{recorded_.frontier().size().value};
  const std::uint64_t tile = id.value / kTileWidth;
  const std::vector<Hash>& stored = stored_.stored({0, tile});
  std::optional<Hash> other;
  if (stored.size() == kTileWidth) {
    const Hash& there = stored[id.value % kTileWidth];
    if ((!leaf || there != *leaf) && is_right(tile)) other = there;
  }
  if (other) {
    if (!plain_) {
      plain_ = recorded_;
      plain_is_whole_ = true;
      faults_before_plain_ = faults_.size();
    }
    if (pending_.size() < kMostKept) pending_.push_back({id, *other, leaf});
  }
  // An entry that nobody can read any more: the tree cannot be continued as it was.
  const Hash now = leaf.value_or(Hash{});
  if (plain_) {
    plain_->append(now);
    plain_is_whole_ &= leaf.has_value();
  }
  recorded_.append(other.value_or(now));
  check_roots();
  return other;
}

bool TreeCheck::append_tile(std::span<const Hash> leaves) {
  const std::uint64_t size = recorded_.frontier().size().value;
  if (plain_ || leaves.size() != kTileWidth || size % kTileWidth != 0) return false;
  const std::vector<Hash>& stored = stored_.stored({0, size / kTileWidth});
  if (stored.size() == kTileWidth &&
      std::memcmp(stored.data(), leaves.data(), leaves.size_bytes()) != 0) {
    return false;
  }
  const auto is_within = [&](TreeSize signed_size) {
    return signed_size.value > size && signed_size.value < size + kTileWidth;
  };
  const auto& roots = roots_.all();
  if (next_root_ < roots.size() && is_within(roots[next_root_].size)) return false;
  if (heads_ && is_within(heads_->size)) return false;
  recorded_.append_tile(leaves);
  check_roots();
  return true;
}

bool TreeCheck::agrees(const Hash& root) {
  if (recorded_.frontier().root() == root) {
    bad_.insert(bad_.end(), pending_.begin(), pending_.end());
  } else if (plain_ && plain_is_whole_ && plain_->frontier().root() == root) {
    const auto first = faults_.begin() + static_cast<std::ptrdiff_t>(faults_before_plain_);
    const auto is_damaged = [](const TileFault& fault) {
      return fault.kind == TileFault::Kind::kDamaged;
    };
    faults_.erase(std::remove_if(first, faults_.end(), is_damaged), faults_.end());
    faults_.insert(faults_.end(), plain_faults_.begin(), plain_faults_.end());
    for (const BadLeaf& leaf : pending_) {
      acquitted_.insert(leaf.id);
      faults_.push_back({TileFault::Kind::kDamaged,
                         {0, leaf.id.value / kTileWidth},
                         leaf.id.value % kTileWidth,
                         *leaf.now,
                         leaf.recorded});
    }
    recorded_ = *std::move(plain_);
  } else {
    return false;
  }
  pending_.clear();
  plain_.reset();
  plain_faults_.clear();
  good_ = LeafIndex{recorded_.frontier().size().value};
  return true;
}

void TreeCheck::check_roots() {
  const TreeSize size = recorded_.frontier().size();
  const auto& roots = roots_.all();
  // Of two different ones of this size one may fit, and says nothing of where the other one begins to differ.
  const LeafIndex good = good_;
  const LeafIndex good_remembered = good_remembered_;
  for (; next_root_ < roots.size() && roots[next_root_].size <= size; ++next_root_) {
    const SignedRoots::Root& root = roots[next_root_];
    if (root.size < size) continue;  // size 0, which is never signed
    if (mismatch_) {
      mismatch_->later += recorded_.frontier().root() == root.root ? 0U : 1U;
    } else if (agrees(root.root)) {
      if (root.is_remembered) good_remembered_ = good_;
    } else {
      mismatch_ = Mismatch{root.is_remembered ? good_remembered : good,
                           LeafIndex{size.value},
                           &root,
                           size,
                           recorded_.frontier().root(),
                           0};
    }
  }
  check_head();
}

void TreeCheck::check_head() {
  const TreeSize size = recorded_.frontier().size();
  if (head_mismatch_ && !mismatch_ && good_.value >= head_mismatch_->size.value) {
    head_mismatch_.reset();
    head_is_wrong_ = true;
  }
  if (!heads_ || heads_->size != size) return;
  const auto nodes = recorded_.frontier().nodes();
  nodes_at_head_.assign(nodes.begin(), nodes.end());
  if (mismatch_ || recorded_.frontier().root() == heads_->root) {
    if (!mismatch_) (void)agrees(heads_->root);
    return;
  }
  if (good_.value == size.value) {
    head_is_wrong_ = true;
  } else if (!agrees(heads_->root)) {
    head_mismatch_ =
        Mismatch{good_, LeafIndex{size.value}, nullptr, size, recorded_.frontier().root(), 0};
  }
}

Result<std::vector<TileFault>> TreeCheck::faults_of(std::span<const TileWrite> writes) {
  TRY(auto faults, stored_.compare(writes));
  // Of an entry that was acquitted in this range, or may be.
  std::erase_if(faults, [](const TileFault& f) { return f.kind == TileFault::Kind::kEntry; });
  return faults;
}

Result<void> TreeCheck::end_range() {
  const auto writes = recorded_.take_writes();
  std::vector<TileWrite> plain_writes;
  if (plain_) plain_writes = plain_->take_writes();
  if (!log_.has_tiles()) return {};
  TRY(const auto faults, faults_of(writes));
  for (const TileFault& fault : faults) {
    if (fault.kind == TileFault::Kind::kCutOff) ++cut_off_;
    if (faults_.size() < kMostKept) faults_.push_back(fault);
  }
  TRY(const auto plain_faults, faults_of(plain_writes));
  for (const TileFault& fault : plain_faults) {
    const bool is_told = fault.kind == TileFault::Kind::kCutOff;
    if (!is_told && plain_faults_.size() < kMostKept) plain_faults_.push_back(fault);
  }
  return {};
}

void TreeCheck::finish() {
  bad_.insert(bad_.end(), pending_.begin(), pending_.end());
  pending_.clear();
  if (!mismatch_ && head_mismatch_) mismatch_ = head_mismatch_;
  if (mismatch_) narrow();
}

// Tiles and the head's frontier may still be those of the log as it was.
void TreeCheck::narrow() {
  std::uint64_t from = mismatch_->to.value;
  std::uint64_t to = mismatch_->from.value;
  const auto widen = [&](std::uint64_t start, std::uint64_t end) {
    start = std::max(start, mismatch_->from.value);
    end = std::min(end, mismatch_->to.value);
    if (start >= end) return;
    from = std::min(from, start);
    to = std::max(to, end);
  };
  for (const TileFault& fault : faults_) {
    if (fault.kind != TileFault::Kind::kDamaged) continue;
    const auto [start, end] = entries_under(fault);
    widen(start, end);
  }
  if (heads_ && nodes_at_head_.size() == heads_->frontier.size()) {
    std::uint64_t start = 0;
    std::size_t node = 0;
    for (int bit = 63; bit >= 0; --bit) {
      const std::uint64_t width = std::uint64_t{1} << bit;
      if ((heads_->size.value & width) == 0) continue;
      // The large subtrees are full tiles, whose own hashes say more.
      if (nodes_at_head_[node] != heads_->frontier[node] && (from >= to || width < kTileWidth)) {
        widen(start, start + width);
      }
      start += width;
      ++node;
    }
  }
  if (from >= to) return;
  mismatch_->from = LeafIndex{from};
  mismatch_->to = LeafIndex{to};
}

std::vector<std::pair<std::string, std::string>> TreeCheck::tile_findings() const {
  std::vector<std::pair<std::string, std::string>> findings;
  std::map<TileId, std::vector<const TileFault*>> by_tile;
  const TileFault* first_cut = nullptr;
  for (const TileFault& fault : faults_) {
    if (fault.kind == TileFault::Kind::kCutOff) {
      if (first_cut == nullptr) first_cut = &fault;
      continue;
    }
    // Where the entries themselves are not what was signed, a tile that differs says no more.
    if (mismatch_ && entries_under(fault).second > mismatch_->from.value) continue;
    by_tile[fault.tile].push_back(&fault);
  }
  if (first_cut != nullptr) {
    const std::string path = path_of(first_cut->tile);
    findings.emplace_back(
        cut_off_ == 1
            ? fmt::format("{} as the entries give it", path)
            : fmt::format("{} and {} more tiles, as the entries give them", path, cut_off_ - 1),
        cut_off_ == 1 ? "it is missing or cut off" : "they are missing or cut off");
  }
  for (const auto& [tile, faults] : by_tile) {
    const TileFault& first = *faults.front();
    std::string more;
    if (faults.size() > 1) more = fmt::format(", and {} more hashes differ", faults.size() - 1);
    findings.emplace_back(fmt::format("{} at place {}: {} by the entries and what was signed",
                                      path_of(tile), first.place, to_hex(first.computed.view())),
                          to_hex(first.stored.view()) + more);
  }
  return findings;
}

}  // namespace pgtally
