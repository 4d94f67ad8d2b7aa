#include "audit/suspects.h"

#include <algorithm>

#include "pgtally/merkle.h"

namespace pgtally {
namespace {

// Beyond this a row that has no entry is unrecorded, whatever happened to the log.
constexpr std::size_t kMostLost = 10'000;
constexpr int kMostClaims = 16;  // of a range of which nothing more is known

// Whether the leaf that was recorded is that of this entry with another source or key.
bool was_recorded_for(const Suspects::Lost& lost, const std::string& source, ByteView key) {
  Entry entry = *lost.now;
  entry.key.assign(key.begin(), key.end());
  entry.source = source;
  for (const Operation operation : {entry.operation, Operation::kInsert, Operation::kUpdate}) {
    entry.operation = operation;
    const auto encoded = encode(entry);
    if (encoded.ok() && leaf_hash(*encoded) == *lost.leaf) return true;
  }
  return false;
}

bool explains(const Suspects::Lost& lost, const std::string& source, ByteView key) {
  if (lost.now && lost.leaf) return was_recorded_for(lost, source, key);
  if (!lost.source.empty() && lost.source != source) return false;
  return !lost.now || std::ranges::equal(lost.now->key, key);
}

}  // namespace

Doubt Suspects::doubt(LeafIndex id) const {
  if (bad_.contains(id)) return Doubt::kBad;
  const bool in_range = std::ranges::any_of(
      ranges_, [&](const Range& range) { return id >= range.from && id < range.to; });
  return in_range ? Doubt::kRange : Doubt::kNone;
}

void Suspects::pin(LeafIndex id) {
  for (Range& range : ranges_) {
    if (id >= range.from && id < range.to) range.pinned = true;
  }
}

std::optional<LeafIndex> Suspects::claim_lost(const std::string& source,
                                              const std::vector<std::string>& key, ByteView encoded,
                                              bool has_no_entry) {
  for (std::size_t i = 0; i < lost_.size(); ++i) {
    if (!explains(lost_[i], source, encoded)) continue;
    const LeafIndex id = lost_[i].id;
    claimed_.emplace(id, Claim{source, key});
    lost_.erase(lost_.begin() + static_cast<std::ptrdiff_t>(i));
    return id;
  }
  for (Range& range : ranges_) {
    if (!has_no_entry || range.claims == kMostClaims) continue;
    ++range.claims;
    claimed_.emplace(range.from, Claim{source, key});
    return range.from;
  }
  return std::nullopt;
}

void Suspects::add_lost(Lost lost) {
  if (lost_.size() < kMostLost) lost_.push_back(std::move(lost));
}

void Suspects::add_range(LeafIndex from, LeafIndex to) {
  ranges_.push_back({from, to});
}

bool Suspects::is_pinned(LeafIndex from, LeafIndex to) const {
  return std::ranges::any_of(ranges_, [&](const Range& range) {
    return range.pinned && range.from == from && range.to == to;
  });
}

}  // namespace pgtally
