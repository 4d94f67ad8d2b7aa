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

// By id, as they are stored; valid as long as the rows.
Result<std::map<TileId, ByteView>> by_id(const pg::Rows& rows) {
  std::map<TileId, ByteView> stored;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TileId id;
    TRY(const auto level, rows.get<std::int16_t>(r, 0));
    id.level = level;
    TRY(const auto index, rows.get<std::int64_t>(r, 1));
    id.index = static_cast<std::uint64_t>(index);
    TRY(stored[id], rows.get<ByteView>(r, 2));
  }
  return stored;
}

Result<pg::Rows> select_tiles(const Ledger& ledger, const std::vector<TileId>& ids) {
  std::vector<std::int64_t> levels;
  std::vector<std::int64_t> indexes;
  for (const TileId& id : ids) {
    levels.push_back(id.level);
    indexes.push_back(static_cast<std::int64_t>(id.index));
  }
  return ledger.query(
      "SELECT t.level, t.index, t.hashes FROM unnest($1::int8[], $2::int8[]) AS "
      "wanted(level, index) JOIN pgtally.tile AS t USING (level, index)",
      pg::Params().int8_array(levels).int8_array(indexes));
}

}  // namespace

Result<std::vector<std::vector<Hash>>> DatabaseTiles::read(std::span<const TileRequest> requests) {
  std::vector<TileId> ids;
  for (const TileRequest& request : requests) ids.push_back(request.tile);
  TRY(const auto rows, select_tiles(*ledger_, ids));
  TRY(const auto stored, by_id(rows));

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

Result<std::vector<std::vector<Hash>>> read_stored_tiles(const Ledger& ledger,
                                                         std::span<const TileId> ids) {
  TRY(const auto rows, select_tiles(ledger, {ids.begin(), ids.end()}));
  TRY(const auto stored, by_id(rows));
  std::vector<std::vector<Hash>> tiles;
  for (const TileId& id : ids) {
    const auto it = stored.find(id);
    const ByteView bytes = it == stored.end() ? ByteView() : it->second;
    tiles.push_back(first_hashes(bytes, static_cast<std::uint32_t>(bytes.size() / Hash::kSize)));
  }
  return tiles;
}

Result<std::vector<TileId>> surplus_tiles(const Ledger& ledger, TreeSize size) {
  std::vector<TileId> surplus;
  for (int level = 0; level < kTileLevels; ++level) {
    const std::uint64_t hashes = hashes_at_level(level, size);
    // At level 0 only full tiles are stored.
    const std::uint64_t stored = level == 0 ? hashes - hashes % kTileWidth : hashes;
    TRY(const auto rows,
        ledger.query("SELECT index FROM pgtally.tile WHERE level = $1 AND "
                     "index * 256 + octet_length(hashes) / 32 > $2 ORDER BY index LIMIT 1",
                     pg::Params()
                         .int2(static_cast<std::int16_t>(level))
                         .int8(static_cast<std::int64_t>(stored))));
    if (rows.empty()) continue;
    TRY(const auto index, rows.get<std::int64_t>(0, 0));
    surplus.push_back({level, static_cast<std::uint64_t>(index)});
  }
  return surplus;
}

}  // namespace pgtally
