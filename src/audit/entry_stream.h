// The entries of a ledger's log, read from its table and encoded, in order and ahead of whoever takes them.
//
// Where there are several sessions, each reads every second or third piece of the log, so that as many
// processes of the server work at once. Memory: two pieces for each.
//
// As the sequencer has written them, entries stand in the table's file in the order of their ids, and are
// read as they stand there. Where they do not come one by one, they are read by the index of the ids: in
// that order, a row whose id does not fit between its neighbours' was edited in its file, and is not taken.
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
  enum class Order { kFile, kId };
  // The SELECT of kEntryColumns that gives the rows [from, to). As they stand in the file, it may give any
  // rows: they are held against the ids that there have to be.
  using Query = std::function<std::string(LeafIndex from, LeafIndex to, Order order)>;

  // At least one session, in a transaction; all that is given has to live longer. Nothing else is to be
  // asked of the sessions meanwhile.
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
