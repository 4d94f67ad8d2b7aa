#include "ledger/rebuild.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "ledger/entry_reader.h"
#include "ledger/head_check.h"
#include "ledger/tile_store.h"
#include "ledger/tree_head.h"
#include "merkle/tile_comparison.h"
#include "merkle/tile_cutter.h"
#include "pgtally/merkle.h"
#include "postgres/pipeline.h"
#include "postgres/transaction.h"

namespace pgtally {
namespace {

// Entries for one round of comparing: a whole number of level-1 tiles.
constexpr std::uint64_t kRange = std::uint64_t{kTileWidth} * kTileWidth;

Bytes joined(const std::vector<Hash>& hashes) {
  Bytes bytes;
  bytes.reserve(hashes.size() * Hash::kSize);
  for (const Hash& hash : hashes) bytes.insert(bytes.end(), hash.bytes.begin(), hash.bytes.end());
  return bytes;
}

class Rebuilder {
 public:
  Rebuilder(const Ledger& ledger, bool repair)
      : ledger_(ledger),
        repair_(repair),
        stored_([&ledger](std::span<const TileId> ids) { return read_stored_tiles(ledger, ids); }) {
  }

  Result<RebuildReport> run(const RebuildProgress& progress) {
    TRY(HeadCheck heads, HeadCheck::load(ledger_));
    const std::uint64_t total = heads.tree_size().value;
    for (std::uint64_t from = 0; from < total; from += kRange) {
      const std::uint64_t to = std::min(from + kRange, total);
      TRY_VOID(
          read_entries(ledger_, LeafIndex{from}, LeafIndex{to}, [&](LeafIndex, ByteView entry) {
            cutter_.append(leaf_hash(entry));
            heads.at_size(cutter_.frontier());
            return Result<void>();
          }));
      TRY_VOID(compare(cutter_.take_writes()));
      if (progress) progress(to, total);
    }
    report_.size = cutter_.frontier().size();
    report_.root = cutter_.frontier().root();
    TRY(const auto surplus, surplus_tiles(ledger_, report_.size));
    for (const TileId& tile : surplus) {
      add(fmt::format("{} holds more hashes than the tree has", tile_path({tile, kTileWidth})));
    }
    heads.finish(cutter_.frontier(), changed_entries_);
    for (const std::string& finding : heads.findings()) add(finding);
    if (repair_ && (heads.log_was_changed() || changed_entries_)) {
      return tampered("the log is not what was signed, so no tree was built from it",
                      fmt::format("{}", fmt::join(report_.findings, "\n")));
    }
    if (repair_ && heads.head_is_damaged()) {
      TreeHead head{report_.size, report_.root, {}, heads.guard_id()};
      head.frontier.assign(cutter_.frontier().nodes().begin(), cutter_.frontier().nodes().end());
      TRY_VOID(write_tree_head(ledger_, head));
    }
    return std::move(report_);
  }

 private:
  void add(const std::string& finding) {
    if (report_.findings.size() < RebuildReport::kMaxFindings) report_.findings.push_back(finding);
  }

  // `writes` are hashes as they should be: each has to stand at its place in the stored tile.
  Result<void> compare(const std::vector<TileWrite>& writes) {
    std::vector<TileId> wanted;
    for (const TileWrite& write : writes) wanted.push_back(write.tile);
    TRY_VOID(stored_.load(wanted));
    TRY(const auto faults, stored_.compare(writes));
    for (const TileFault& fault : faults) name(fault);
    std::vector<TileId> to_repair;
    for (const TileWrite& write : writes) {
      std::vector<Hash>& whole = growing_[write.tile];
      whole.insert(whole.end(), write.hashes.begin(), write.hashes.end());
      const std::vector<Hash>& found = stored_.stored(write.tile);
      if (write.offset == 0) ++report_.tiles;
      const bool as_computed =
          found.size() >= whole.size() && std::equal(whole.begin(), whole.end(), found.begin());
      if (repair_ && !as_computed) {
        // A shorter tile than is stored would be a step back; what lies beyond comes with a later
        // range.
        to_repair.push_back(write.tile);
      }
    }
    TRY_VOID(repair(to_repair));
    std::erase_if(growing_, [](const auto& tile) { return tile.second.size() == kTileWidth; });
    return {};
  }

  void name(const TileFault& fault) {
    const std::string path = tile_path({fault.tile, kTileWidth});
    switch (fault.kind) {
      case TileFault::Kind::kCutOff:
        return add(fmt::format("{} is missing or cut off", path));
      case TileFault::Kind::kEntry:
        changed_entries_ = true;
        return add(
            fmt::format("entry {} was changed: tile {} still holds the hash of what was recorded",
                        fault.tile.index * kTileWidth + fault.place, path));
      case TileFault::Kind::kDamaged:
        return add(fmt::format("{} is damaged at place {}", path, fault.place));
    }
  }

  // With the hashes in growing_, which are all that were computed so far.
  Result<void> repair(const std::vector<TileId>& tiles) {
    if (tiles.empty()) return {};
    report_.repaired += tiles.size();
    std::vector<std::int64_t> levels;
    std::vector<std::int64_t> indexes;
    std::vector<Bytes> hashes;
    for (const TileId& tile : tiles) {
      levels.push_back(tile.level);
      indexes.push_back(static_cast<std::int64_t>(tile.index));
      hashes.push_back(joined(growing_[tile]));
    }
    TRY([[maybe_unused]] const auto rows,
        ledger_.query("SELECT count(pgtally.repair_tile(level::int4, index, hashes)) "
                      "FROM unnest($1::int8[], $2::int8[], $3::bytea[]) AS t(level, index, hashes)",
                      pg::Params().int8_array(levels).int8_array(indexes).bytea_array(hashes)));
    return {};
  }

  const Ledger& ledger_;
  const bool repair_;
  TileCutter cutter_;
  TileComparison stored_;
  std::map<TileId, std::vector<Hash>> growing_;  // of each level the last tile, from its beginning
  bool changed_entries_ = false;
  RebuildReport report_;
};

}  // namespace

Result<RebuildReport> check_tree(const Ledger& ledger, const RebuildProgress& progress) {
  // One snapshot, so that a service that goes on meanwhile is not mistaken for damage.
  TRY_VOID(ledger.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  Rebuilder rebuilder(ledger, false);
  auto report = rebuilder.run(progress);
  TRY_VOID(ledger.execute("ROLLBACK"));
  return report;
}

Result<RebuildReport> rebuild_tree(const Ledger& ledger, const RebuildProgress& progress) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  TRY_VOID(ledger.execute("SELECT pgtally.lock_ledger()"));
  Rebuilder rebuilder(ledger, true);
  TRY(auto report, rebuilder.run(progress));
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return report;
  return retry("whether the rebuilt tree was committed is not known: " + result.reason,
               "Run it again.");
}

}  // namespace pgtally
