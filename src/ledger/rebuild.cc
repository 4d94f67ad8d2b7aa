#include "ledger/rebuild.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "ledger/entry_reader.h"
#include "ledger/head_check.h"
#include "ledger/tree_head.h"
#include "merkle/tile_cutter.h"
#include "merkle/tree.h"
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

Hash hash_at(const Bytes& tile, std::size_t place) {
  Hash hash;
  std::copy_n(tile.begin() + static_cast<std::ptrdiff_t>(place * Hash::kSize), Hash::kSize,
              hash.bytes.begin());
  return hash;
}

// The root over a stored tile that is full; nothing otherwise.
std::optional<Hash> root_of_tile(const Bytes& tile) {
  if (tile.size() != kTileWidth * Hash::kSize) return {};
  std::vector<Hash> hashes;
  for (std::size_t i = 0; i < kTileWidth; ++i) hashes.push_back(hash_at(tile, i));
  return root_of(hashes);
}

class Rebuilder {
 public:
  Rebuilder(const Ledger& ledger, bool repair) : ledger_(ledger), repair_(repair) {}

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
    TRY_VOID(check_surplus());
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

  Result<std::map<TileId, Bytes>> stored_tiles(const std::vector<TileId>& wanted) {
    std::vector<std::int64_t> levels;
    std::vector<std::int64_t> indexes;
    for (const TileId& tile : wanted) {
      levels.push_back(tile.level);
      indexes.push_back(static_cast<std::int64_t>(tile.index));
    }
    TRY(const auto rows,
        ledger_.query("SELECT t.level, t.index, t.hashes FROM unnest($1::int8[], $2::int8[]) AS "
                      "wanted(level, index) JOIN pgtally.tile AS t USING (level, index)",
                      pg::Params().int8_array(levels).int8_array(indexes)));
    std::map<TileId, Bytes> tiles;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      TRY(const auto level, rows.get<std::int16_t>(r, 0));
      TRY(const auto index, rows.get<std::int64_t>(r, 1));
      TRY(tiles[(TileId{level, static_cast<std::uint64_t>(index)})], rows.get<Bytes>(r, 2));
    }
    return tiles;
  }

  // `writes` are hashes as they should be: each has to stand at its place in the stored tile.
  Result<void> compare(const std::vector<TileWrite>& writes) {
    std::vector<TileId> wanted;
    for (const TileWrite& write : writes) wanted.push_back(write.tile);
    TRY(const auto stored, stored_tiles(wanted));
    std::vector<TileId> to_repair;
    for (const TileWrite& write : writes) {
      const auto it = stored.find(write.tile);
      Bytes& whole = growing_[write.tile];
      const Bytes added = joined(write.hashes);
      whole.insert(whole.end(), added.begin(), added.end());
      const Bytes& found = it == stored.end() ? kNothing : it->second;
      if (write.offset == 0) ++report_.tiles;
      TRY_VOID(compare_tile(write, found, stored));
      const bool as_computed =
          found.size() >= whole.size() && std::equal(whole.begin(), whole.end(), found.begin());
      if (repair_ && !as_computed) {
        // A shorter tile than is stored would be a step back; what lies beyond comes with a later
        // range.
        to_repair.push_back(write.tile);
      }
    }
    TRY_VOID(repair(to_repair));
    std::erase_if(growing_,
                  [](const auto& tile) { return tile.second.size() == kTileWidth * Hash::kSize; });
    return {};
  }

  Result<void> compare_tile(const TileWrite& write, const Bytes& found,
                            const std::map<TileId, Bytes>& stored) {
    const std::string path = tile_path({write.tile, kTileWidth});
    if (found.size() < (write.offset + write.hashes.size()) * Hash::kSize) {
      add(fmt::format("{} is missing or cut off", path));
      return {};
    }
    for (std::size_t i = 0; i < write.hashes.size(); ++i) {
      const std::size_t place = write.offset + i;
      if (hash_at(found, place) == write.hashes[i]) continue;
      TRY(const bool made_from_other_hashes, explained_below(write.tile, place, found, stored));
      if (made_from_other_hashes) continue;
      TRY(const bool entry_changed, was_right(write.tile, found));
      if (write.tile.level == 0 && entry_changed) {
        changed_entries_ = true;
        add(fmt::format("entry {} was changed: tile {} still holds the hash of what was recorded",
                        write.tile.index * kTileWidth + place, path));
      } else {
        add(fmt::format("{} is damaged at place {}", path, place));
      }
    }
    return {};
  }

  // Whether the tiles below really give the hash that is stored here: then what differs is below.
  Result<bool> explained_below(TileId tile, std::size_t place, const Bytes& found,
                               const std::map<TileId, Bytes>& stored) {
    if (tile.level == 0) return false;
    const TileId below{tile.level - 1, tile.index * kTileWidth + place};
    const auto it = stored.find(below);
    if (it != stored.end()) return root_of_tile(it->second) == hash_at(found, place);
    TRY(const auto fetched, stored_tiles({below}));
    const auto there = fetched.find(below);
    return there != fetched.end() && root_of_tile(there->second) == hash_at(found, place);
  }

  // Whether a stored tile is the one that the level above was made from.
  Result<bool> was_right(TileId tile, const Bytes& found) {
    const std::optional<Hash> root = root_of_tile(found);
    if (!root) return false;
    const TileId above{tile.level + 1, tile.index / kTileWidth};
    TRY(const auto fetched, stored_tiles({above}));
    const auto it = fetched.find(above);
    const std::size_t place = tile.index % kTileWidth;
    return it != fetched.end() && it->second.size() >= (place + 1) * Hash::kSize &&
           hash_at(it->second, place) == *root;
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
      hashes.push_back(growing_[tile]);
    }
    TRY([[maybe_unused]] const auto rows,
        ledger_.query("SELECT count(pgtally.repair_tile(level::int4, index, hashes)) "
                      "FROM unnest($1::int8[], $2::int8[], $3::bytea[]) AS t(level, index, hashes)",
                      pg::Params().int8_array(levels).int8_array(indexes).bytea_array(hashes)));
    return {};
  }

  // Tiles, or hashes at the end of one, that no tree of this size has.
  Result<void> check_surplus() {
    for (int level = 0; level < kTileLevels; ++level) {
      const std::uint64_t hashes = hashes_at_level(level, report_.size);
      // At level 0 only full tiles are stored.
      const std::uint64_t stored = level == 0 ? hashes - hashes % kTileWidth : hashes;
      TRY(const auto rows,
          ledger_.query("SELECT index FROM pgtally.tile WHERE level = $1 AND "
                        "index * 256 + octet_length(hashes) / 32 > $2 ORDER BY index LIMIT 1",
                        pg::Params()
                            .int2(static_cast<std::int16_t>(level))
                            .int8(static_cast<std::int64_t>(stored))));
      if (rows.empty()) continue;
      TRY(const auto index, rows.get<std::int64_t>(0, 0));
      add(fmt::format("{} holds more hashes than the tree has",
                      tile_path({{level, static_cast<std::uint64_t>(index)}, kTileWidth})));
    }
    return {};
  }

  inline static const Bytes kNothing;

  const Ledger& ledger_;
  const bool repair_;
  TileCutter cutter_;
  std::map<TileId, Bytes> growing_;  // of each level the last tile, from its beginning
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
