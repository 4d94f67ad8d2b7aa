#include "ledger/tile_store.h"

#include <algorithm>
#include <map>

#include "ledger/entry_reader.h"
#include "pgtally/merkle.h"

namespace pgtally {
namespace {

std::vector<Hash> first_hashes(ByteView bytes, std::uint32_t width) {
  std::vector<Hash> hashes(width);
  for (std::uint32_t i = 0; i < width; ++i) {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(i * Hash::kSize), Hash::kSize,
                hashes[i].bytes.begin());
  }
  return hashes;
}

}  // namespace

Result<std::vector<std::vector<Hash>>> DatabaseTiles::read(std::span<const TileRequest> requests) {
  std::vector<std::int64_t> levels;
  std::vector<std::int64_t> indexes;
  for (const TileRequest& request : requests) {
    levels.push_back(request.tile.level);
    indexes.push_back(static_cast<std::int64_t>(request.tile.index));
  }
  TRY(const auto rows,
      ledger_->query("SELECT t.level, t.index, t.hashes FROM unnest($1::int8[], $2::int8[]) AS "
                     "wanted(level, index) JOIN pgtally.tile AS t USING (level, index)",
                     pg::Params().int8_array(levels).int8_array(indexes)));
  std::map<TileId, ByteView> stored;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TileId id;
    TRY(const auto level, rows.get<std::int16_t>(r, 0));
    id.level = level;
    TRY(const auto index, rows.get<std::int64_t>(r, 1));
    id.index = static_cast<std::uint64_t>(index);
    TRY(stored[id], rows.get<ByteView>(r, 2));
  }

  std::vector<std::vector<Hash>> tiles;
  for (const TileRequest& request : requests) {
    const auto it = stored.find(request.tile);
    if (it != stored.end() && it->second.size() >= request.width * Hash::kSize) {
      tiles.push_back(first_hashes(it->second, request.width));
      continue;
    }
    if (request.tile.level > 0 || it != stored.end()) {
      return tampered("tile " + tile_path(request) + " is missing or cut off",
                      "pgtally rebuild computes it anew from the log.");
    }
    const LeafIndex from{request.tile.index * kTileWidth};
    std::vector<Hash> leaves;
    TRY_VOID(read_entries(*ledger_, from, LeafIndex{from.value + request.width},
                          [&](LeafIndex, ByteView entry) {
                            leaves.push_back(leaf_hash(entry));
                            return Result<void>();
                          }));
    tiles.push_back(std::move(leaves));
  }
  return tiles;
}

}  // namespace pgtally
