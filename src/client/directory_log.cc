#include "client/directory_log.h"

#include "base/durable_file.h"
#include "format/entry_bundle.h"
#include "pgtally/document.h"
#include "pgtally/note.h"

namespace pgtally {

Result<std::string> DirectoryLog::checkpoint() {
  TRY(auto note, read_small_file(directory_ + "/checkpoint", kMaxNoteSize));
  return std::move(note).value_or("");
}

Result<std::string> DirectoryLog::read(const std::string& path, const std::string& full,
                                       std::size_t most) const {
  for (const std::string& each : {path, full}) {
    TRY(auto content, read_small_file(directory_ + "/" + each, most));
    if (content) return *std::move(content);
  }
  return tampered(directory_ + "/" + path + " is missing",
                  "Somebody has removed it. Publish into an empty directory, and put that in the "
                  "place of this one.");
}

Result<std::vector<std::vector<Hash>>> DirectoryLog::tiles(std::span<const TileId> ids,
                                                           TreeSize size) {
  std::vector<std::vector<Hash>> tiles;
  for (const TileId& id : ids) {
    const std::uint32_t width = tile_width(id, size);
    const std::string path = tile_path({id, width});
    TRY(const auto bytes, read(path, tile_path({id, kTileWidth}), kTileWidth * Hash::kSize));
    TRY(auto hashes, parse_tile(directory_ + "/" + path, bytes, width));
    tiles.push_back(std::move(hashes));
  }
  return tiles;
}

Result<std::vector<std::string>> DirectoryLog::bundles(std::uint64_t first, std::size_t count,
                                                       TreeSize size) {
  std::vector<std::string> bundles;
  for (std::uint64_t index = first; index < first + count; ++index) {
    const std::string path = bundle_path(index, tile_width({0, index}, size));
    TRY(auto bytes, read(path, bundle_path(index), kMaxBundleSize));
    bundles.push_back(std::move(bytes));
  }
  return bundles;
}

Result<std::string> DirectoryLog::document(const Hash& hash) {
  const std::string path = directory_ + "/" + document_path(hash);
  TRY(auto text, read_small_file(path, kMaxDocumentSize));
  if (text) return *std::move(text);
  return reject("there is no " + path);
}

}  // namespace pgtally
