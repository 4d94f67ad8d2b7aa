#include "audit/bundle_copy.h"

#include <algorithm>

#include "format/entry_bundle.h"
#include "pgtally/merkle.h"
#include "pgtally/verify.h"

namespace pgtally {
namespace {

constexpr std::uint64_t kEntriesAtOnce = 65'536;
constexpr std::size_t kTilesAhead = 8;  // client/entry_check.h asks for as many

Error is_missing(LeafIndex id) {
  return tampered("entry " + std::to_string(id.value) + " is missing from the bundle");
}

}  // namespace

Result<std::unique_ptr<BundleCopy>> BundleCopy::open(AuditedLog& log, const Policy& policy) {
  std::unique_ptr<BundleCopy> copy(new BundleCopy(log));
  TRY_VOID(copy->cut_tiles());
  TRY_VOID(log.read_checkpoints([&](const AuditedCheckpoint& checkpoint) {
    const auto verified = verify_checkpoint(checkpoint.note, policy);
    if (verified.ok() && verified->checkpoint.size <= log.size()) copy->note_ = checkpoint.note;
    return Result<void>();
  }));
  if (!copy->note_.empty()) return copy;
  return tampered("no checkpoint in the bundle is signed by whom you trust");
}

Result<void> BundleCopy::cut_tiles() {
  TileCutter cutter;
  TRY_VOID(log_.read_each(LeafIndex{0}, LeafIndex{log_.size().value},
                          [&](LeafIndex id, ByteView entry) -> Result<void> {
                            if (entry.empty()) return is_missing(id);
                            cutter.append(leaf_hash(entry));
                            if (cutter.frontier().size().value % kEntriesAtOnce == 0)
                              keep(cutter.take_writes());
                            return {};
                          }));
  keep(cutter.take_writes());
  const auto leaves = cutter.partial_leaves();
  last_leaves_.assign(leaves.begin(), leaves.end());
  return {};
}

void BundleCopy::keep(const std::vector<TileWrite>& writes) {
  for (const TileWrite& write : writes) {
    if (write.tile.level == 0) continue;
    std::vector<Hash>& tile = above_[write.tile];
    tile.insert(tile.end(), write.hashes.begin(), write.hashes.end());
  }
}

Result<std::vector<std::vector<Hash>>> BundleCopy::tiles(std::span<const TileId> ids,
                                                         TreeSize size) {
  std::vector<std::vector<Hash>> tiles;
  for (const TileId& id : ids) {
    const std::uint32_t width = tile_width(id, size);
    if (width == 0 || size > log_.size()) {
      return reject(tile_path({id, kTileWidth}) + " is beyond the bundle");
    }
    if (id.level == 0) {
      TRY(auto tile, leaf_tile(id.index, width));
      tiles.push_back(std::move(tile));
      continue;
    }
    std::vector<Hash> tile = above_[id];
    tile.resize(width);
    tiles.push_back(std::move(tile));
  }
  return tiles;
}

Result<std::vector<Hash>> BundleCopy::leaf_tile(std::uint64_t index, std::uint32_t width) {
  std::vector<Hash> tile;
  if (index == log_.size().value / kTileWidth) {
    tile = last_leaves_;
  } else {
    TRY_VOID(read(index, 1));
    for (const Bytes& entry : read_[index - read_from_]) tile.push_back(leaf_hash(entry));
  }
  tile.resize(width);
  return tile;
}

Result<std::vector<std::string>> BundleCopy::bundles(std::uint64_t first, std::size_t count,
                                                     TreeSize size) {
  std::vector<std::string> bundles;
  for (std::uint64_t index = first; index < first + count; ++index) {
    TRY_VOID(read(index, 1));
    const std::uint32_t width = tile_width({0, index}, size);
    const std::vector<Bytes>& entries = read_[index - read_from_];
    if (width == 0 || entries.size() < width) {
      return reject(bundle_path(index) + " is beyond the bundle");
    }
    std::string& bundle = bundles.emplace_back();
    for (std::uint32_t i = 0; i < width; ++i) TRY_VOID(append_to_bundle(bundle, entries[i]));
  }
  return bundles;
}

Result<void> BundleCopy::read(std::uint64_t first, std::size_t count) {
  if (first >= read_from_ && first + count <= read_from_ + read_.size()) return {};
  read_.assign(std::max(count, kTilesAhead), {});
  read_from_ = first;
  const LeafIndex from{first * kTileWidth};
  const LeafIndex to{std::min(from.value + read_.size() * kTileWidth, log_.size().value)};
  if (from >= to) return {};
  return log_.read_each(from, to, [&](LeafIndex id, ByteView entry) -> Result<void> {
    if (entry.empty()) return is_missing(id);
    read_[id.value / kTileWidth - first].emplace_back(entry.begin(), entry.end());
    return {};
  });
}

}  // namespace pgtally
