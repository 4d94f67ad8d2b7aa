// Where proofs get their hashes from: a database, a directory, a web server, memory.
#pragma once

#include <span>
#include <vector>

#include "merkle/tile.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

class TileReader {
 public:
  virtual ~TileReader() = default;

  // The head: how large a tree can be read. It may grow between calls, never shrink.
  [[nodiscard]] virtual TreeSize size() const = 0;

  // All these tiles at once, in the order in which they were asked for, so that a store can fetch
  // them in one round trip. Each one has exactly the width that was asked for, which may be less
  // than what is stored. Level 0 is read here too, the tile that is not full yet included.
  // What was read is not to be trusted: proofs are checked against a root.
  [[nodiscard]] virtual Result<std::vector<std::vector<Hash>>> read(
      std::span<const TileRequest> requests) = 0;
};

}  // namespace pgtally
