// The entries of a ledger's log, read from its table and encoded, in order and ahead of whoever takes them.
//
// Where there are several sessions, each reads every second or third piece of the log, so that as many
// processes of the server work at once. Memory: 16 blocks for each.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/entry_row.h"
#include "merkle/tile.h"
#include "pgtally/result.h"
#include "pgtally/types.h"
#include "postgres/connection.h"

namespace pgtally {

// Some entries. Each place of the block is that of an id.
struct EntryBlock {
  LeafIndex first;
  std::vector<ByteView> entries;  // empty: there is none, or it cannot be an entry
  Bytes bytes;                    // what they are views of
  std::vector<std::size_t> sizes;
};
// Blocks begin and end at multiples of this, and so does no tile begin or end within one.
inline constexpr std::uint64_t kBlockEntries = 4 * kTileWidth;

class EntryStream {
 public:
  // The SELECT of kEntryColumns that gives the rows [from, to) by ascending id.
  using Query = std::function<std::string(LeafIndex from, LeafIndex to)>;

  // At least one session; all that is given has to live longer. Nothing else is to be asked of the
  // sessions meanwhile.
  EntryStream(const std::vector<pg::Connection*>& sessions, Query query, const SourceIdNames& names,
              LeafIndex from, LeafIndex to);
  ~EntryStream();

  // The first entry of the next block.
  [[nodiscard]] LeafIndex next() const { return next_; }
  // Precondition: next() is not the end.
  [[nodiscard]] Result<void> read(EntryBlock& block);

 private:
  class Reader;
  [[nodiscard]] std::uint64_t piece_of(LeafIndex id) const { return id.value / piece_; }

  std::uint64_t piece_;
  std::uint64_t first_piece_;
  LeafIndex next_;
  std::vector<std::unique_ptr<Reader>> readers_;
};

}  // namespace pgtally
