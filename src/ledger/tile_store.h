// The tree in the database, as proofs read it.
#pragma once

#include "ledger/ledger.h"
#include "merkle/tile_reader.h"

namespace pgtally {

// Full tiles, and what is above level 0, from table tile; the end of level 0 from the entries. The
// caller makes sure that `size` is not beyond the newest tree head.
class DatabaseTiles : public TileReader {
 public:
  DatabaseTiles(const Ledger& ledger, TreeSize size) : ledger_(&ledger), size_(size) {}

  [[nodiscard]] TreeSize size() const override { return size_; }
  [[nodiscard]] Result<std::vector<std::vector<Hash>>> read(
      std::span<const TileRequest> requests) override;

 private:
  const Ledger* ledger_;
  TreeSize size_;
};

// The hashes of each tile as they are stored, however many; none if it is not there. For checking:
// nothing is computed in the place of what is missing.
[[nodiscard]] Result<std::vector<std::vector<Hash>>> read_stored_tiles(const Ledger& ledger,
                                                                       std::span<const TileId> ids);

// The first tile of each level that holds more hashes than a tree of this size has.
[[nodiscard]] Result<std::vector<TileId>> surplus_tiles(const Ledger& ledger, TreeSize size);

}  // namespace pgtally
