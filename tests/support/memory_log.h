// A log in memory that can be published: entry i is the decimal text of i, unless it was forked.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "client/log_reader.h"
#include "format/entry_bundle.h"
#include "format/sign_checkpoint.h"
#include "merkle/proof.h"
#include "pgtally/merkle.h"
#include "support/memory_tiles.h"

namespace pgtally::test {

class MemoryLog : public LogReader {
 public:
  explicit MemoryLog(SigningKey key) : key_(std::move(key)) {}

  void grow_to(std::uint64_t size, const std::string& text = "") {
    while (entries_.size() < size) {
      entries_.push_back(std::to_string(entries_.size()) + text);
      tiles_.append(leaf_hash(as_bytes(entries_.back())));
    }
    checkpoint_ = note_at(size);
  }
  [[nodiscard]] std::string note_at(std::uint64_t size) {
    return *sign_checkpoint(key_, TreeSize{size}, *root_at(tiles_, TreeSize{size}));
  }
  void serve(std::string checkpoint) { checkpoint_ = std::move(checkpoint); }

  Result<std::string> checkpoint() override { return checkpoint_; }
  Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids,
                                               TreeSize size) override {
    std::vector<TileRequest> requests;
    for (const TileId& id : ids) requests.push_back({id, tile_width(id, size)});
    return tiles_.read(requests);
  }
  Result<std::vector<std::string>> bundles(std::uint64_t first, std::size_t count,
                                           TreeSize size) override {
    std::vector<std::string> bundles(count);
    for (std::size_t b = 0; b < count; ++b) {
      const std::uint64_t begin = (first + b) * kTileWidth;
      for (std::uint64_t i = begin; i < std::min(begin + kTileWidth, size.value); ++i) {
        TRY_VOID(append_to_bundle(bundles[b], as_bytes(entries_[i])));
      }
    }
    return bundles;
  }

 private:
  SigningKey key_;
  std::vector<std::string> entries_;
  MemoryTiles tiles_;
  std::string checkpoint_;
};

}  // namespace pgtally::test
