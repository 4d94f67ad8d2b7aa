#include "format/entry_bundle.h"

#include "base/byte_io.h"
#include "base/encoding.h"

namespace pgtally {
namespace {

// A bundle's path is its level-0 tile's, with this word for the level.
constexpr std::string_view kBundles = "tile/entries/";
constexpr std::string_view kLevel0 = "tile/0/";

}  // namespace

std::string bundle_path(std::uint64_t index, std::uint32_t width) {
  std::string path = tile_path({{0, index}, width});
  return path.replace(0, kLevel0.size(), kBundles);
}

Result<TileRequest> parse_bundle_path(std::string_view path) {
  if (!path.starts_with(kBundles)) {
    return reject("not the path of an entry bundle: " + quoted(path));
  }
  return parse_tile_path(std::string(kLevel0) + std::string(path.substr(kBundles.size())));
}

Result<void> append_to_bundle(std::string& bundle, ByteView entry) {
  if (entry.size() > kMaxBundledEntry) {
    return reject("an entry of " + std::to_string(entry.size()) + " bytes fits into no bundle");
  }
  bundle += static_cast<char>(entry.size() >> 8);
  bundle += static_cast<char>(entry.size() & 0xFF);
  bundle += as_text(entry);
  return {};
}

Result<std::vector<ByteView>> parse_bundle(ByteView bundle) {
  std::vector<ByteView> entries;
  ByteReader reader(bundle);
  while (!reader.at_end()) {
    if (entries.size() == kTileWidth) return reject("the bundle has more than 256 entries");
    TRY(const ByteView entry, reader.opaque(2, 0, kMaxBundledEntry, "entry"));
    entries.push_back(entry);
  }
  return entries;
}

Result<std::vector<ByteView>> parse_bundle(ByteView bundle, std::uint32_t width) {
  TRY(auto entries, parse_bundle(bundle));
  if (entries.size() < width) {
    return reject("the bundle has " + std::to_string(entries.size()) + " entries, not " +
                  std::to_string(width));
  }
  entries.resize(width);
  return entries;
}

}  // namespace pgtally
