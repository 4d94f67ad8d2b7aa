#include "merkle/tile.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/encoding.h"

namespace pgtally {
namespace {

constexpr std::string_view kPrefix = "tile/";
constexpr std::string_view kPartial = ".p/";

// 1234067 becomes "x001/x234/067".
std::string index_text(std::uint64_t index) {
  std::string text;
  std::string_view separator;
  do {
    std::string group = std::to_string(1000 + index % 1000);
    group.erase(0, 1);
    if (!text.empty()) group.insert(0, "x");
    text = group + std::string(separator) + text;
    separator = "/";
    index /= 1000;
  } while (index != 0);
  return text;
}

Error not_a_path(std::string_view path, const std::string& why) {
  return reject("not the path of a tile: " + quoted(path) + ": " + why);
}

}  // namespace

std::uint64_t hashes_at_level(int level, TreeSize size) {
  return level < kTileLevels ? size.value >> (level * kTileHeight) : 0;
}

std::uint64_t tiles_at_level(int level, TreeSize size) {
  const std::uint64_t hashes = hashes_at_level(level, size);
  return hashes / kTileWidth + (hashes % kTileWidth != 0 ? 1 : 0);
}

std::uint32_t tile_width(TileId tile, TreeSize size) {
  const std::uint64_t hashes = hashes_at_level(tile.level, size);
  const std::uint64_t full = hashes / kTileWidth;
  if (tile.index < full) return kTileWidth;
  return tile.index == full ? static_cast<std::uint32_t>(hashes % kTileWidth) : 0;
}

std::string tile_path(const TileRequest& request) {
  std::string path = std::string(kPrefix) + std::to_string(request.tile.level) + "/" +
                     index_text(request.tile.index);
  if (request.width < kTileWidth) path += std::string(kPartial) + std::to_string(request.width);
  return path;
}

Result<TileRequest> parse_tile_path(std::string_view path) {
  if (!path.starts_with(kPrefix)) return not_a_path(path, "it does not begin with tile/");
  std::string_view rest = path.substr(kPrefix.size());
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) return not_a_path(path, "it has no index");

  const auto level = parse_decimal(rest.substr(0, slash));
  if (!level || *level > kMaxTileLevelInPath) return not_a_path(path, "the level is not 0 to 63");
  TileRequest request{{static_cast<int>(*level), 0}, kTileWidth};
  rest.remove_prefix(slash + 1);

  if (const std::size_t partial = rest.find(kPartial); partial != std::string_view::npos) {
    const auto width = parse_decimal(rest.substr(partial + kPartial.size()));
    if (!width || *width == 0 || *width >= kTileWidth) {
      return not_a_path(path, "the width is not 1 to 255");
    }
    request.width = static_cast<std::uint32_t>(*width);
    rest = rest.substr(0, partial);
  }

  std::string digits;
  for (const char c : rest) {
    if (c >= '0' && c <= '9') digits += c;
  }
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
  const auto index = parse_decimal(digits);
  // Written back it must be the same text, which leaves no room for another way to write it.
  if (!index || index_text(*index) != rest) {
    return not_a_path(path, "the index is not in the form x001/x234/067");
  }
  request.tile.index = *index;
  return request;
}

}  // namespace pgtally
