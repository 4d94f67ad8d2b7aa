#include "client/log_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"

namespace pgtally {

std::string document_path(const Hash& hash) {
  return "document/" + to_hex(hash.view());
}

Result<std::vector<std::vector<Hash>>> LogTiles::read(std::span<const TileRequest> requests) {
  std::vector<TileId> ids;
  for (const TileRequest& request : requests) {
    if (tile_width(request.tile, size_) < request.width) {
      return reject(tile_path(request) + " is beyond the tree");
    }
    ids.push_back(request.tile);
  }
  TRY(auto tiles, log_.tiles(ids, size_));
  for (std::size_t i = 0; i < tiles.size(); ++i) tiles[i].resize(requests[i].width);
  return tiles;
}

Result<std::vector<Hash>> parse_tile(const std::string& path, std::string_view bytes,
                                     std::uint32_t width) {
  const std::size_t right = width * Hash::kSize;
  if (bytes.size() != right && bytes.size() != kTileWidth * Hash::kSize) {
    return tampered(fmt::format("{} has {} bytes, not {}", path, bytes.size(), right),
                    "It was damaged, or it is no tile of a log at all.");
  }
  std::vector<Hash> hashes(width);
  for (std::size_t i = 0; i < width; ++i) {
    const ByteView hash = as_bytes(bytes).subspan(i * Hash::kSize, Hash::kSize);
    std::ranges::copy(hash, hashes[i].bytes.begin());
  }
  return hashes;
}

}  // namespace pgtally
