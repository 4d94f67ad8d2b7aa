// One log as tlog-tiles lays it out, wherever it is read from: a server, a directory, a database.
//
// Nothing that comes from here is to be trusted: a checkpoint is text until its signature was
// verified, tiles and bundles are hashes and bytes until they were shown to lie under its root.
//
// Errors: kTampered for what cannot be right, whatever the log holds; kReject for what is not there;
// kRetry for what could not be had this time.
//
// Spec: C2SP tlog-tiles.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "merkle/tile_reader.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

class LogReader {
 public:
  virtual ~LogReader() = default;

  // The newest signed note, not verified. Empty if nothing was signed yet.
  [[nodiscard]] virtual Result<std::string> checkpoint() = 0;

  // The tiles as they are in the tree of `size` entries, each with the width that it has there. At
  // most 8 kB each.
  [[nodiscard]] virtual Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids,
                                                                     TreeSize size) = 0;

  // The entry bundles [first, first + count), likewise; parse_bundle() takes them apart. Each may
  // have kMaxBundleSize bytes.
  [[nodiscard]] virtual Result<std::vector<std::string>> bundles(std::uint64_t first,
                                                                 std::size_t count,
                                                                 TreeSize size) = 0;
};

// A log of pgtally's, with the documents that its define and notice entries name.
class DocumentedLog : public LogReader {
 public:
  // Those of the entries from `first` up to `before`. Nobody has held them against the entries yet.
  [[nodiscard]] virtual Result<std::vector<std::string>> documents(LeafIndex first,
                                                                   LeafIndex before) = 0;
};

// A log as others get to see it, one document at a time.
class PublishedLog : public LogReader {
 public:
  // Nobody has held the text against the hash yet. kReject if it is not there.
  [[nodiscard]] virtual Result<std::string> document(const Hash& hash) = 0;
};

// Under which relative path a document is served: "document/<SHA-256 in hex>".
[[nodiscard]] std::string document_path(const Hash& hash);

// The tree of a log at one size, for proofs. The log outlives it.
class LogTiles : public TileReader {
 public:
  LogTiles(LogReader& log, TreeSize size) : log_(log), size_(size) {}

  [[nodiscard]] TreeSize size() const override { return size_; }
  [[nodiscard]] Result<std::vector<std::vector<Hash>>> read(
      std::span<const TileRequest> requests) override;

 private:
  LogReader& log_;
  TreeSize size_;
};

// The hashes of a tile of this width, or the first of a full one. kTampered if the bytes are neither.
[[nodiscard]] Result<std::vector<Hash>> parse_tile(const std::string& path, std::string_view bytes,
                                                   std::uint32_t width);

}  // namespace pgtally
