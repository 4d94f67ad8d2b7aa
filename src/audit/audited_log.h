// What an audit reads of a log, wherever it comes from: the ledger's database, or a bundle.
//
// Nothing that comes from here is trusted. It shows one state of the log, whatever happens meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "merkle/tile.h"
#include "pgtally/entry.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct AuditedCheckpoint {
  std::string note;  // with the cosignatures that are there
  Time signed_at;    // the operator's word
  // What is stored beside the note, where something is.
  std::optional<TreeSize> size = {};
  std::optional<Hash> root = {};
  std::size_t damaged_cosignatures = 0;  // stored with it, and no signature lines
};

// What a ledger says of itself beside the entries.
struct StoredHeads {
  TreeSize size;  // of the tree
  Hash root;
  std::vector<Hash> frontier;
  std::uint64_t next_id = 0;  // of the log
  Time sequenced_at;          // of its last batch
  std::map<std::string, std::uint64_t> next_ordinals;
};

// A pass over a source's whole table that has ended.
struct PastSweep {
  Time began;
  Time ended;
  std::uint64_t found = 0;  // rows that were recorded because of it
};

class AuditedLog {
 public:
  virtual ~AuditedLog() = default;

  // How many entries there are to read, those that are missing in between included.
  [[nodiscard]] virtual TreeSize size() const = 0;

  // The entries [from, to), encoded, in order, some at a time: `first` and those behind it. A row that
  // cannot be an entry, and an id that is missing, is told as no bytes. They are valid during the call.
  // Nothing else is to be asked for meanwhile but salts().
  using Take = std::function<Result<void>(LeafIndex first, std::span<const ByteView> entries)>;
  [[nodiscard]] virtual Result<void> read_entries(LeafIndex from, LeafIndex to,
                                                  const Take& take) = 0;
  // Whether what it tells as entries was encoded by encode_into() a moment ago, and is known to be some.
  [[nodiscard]] virtual bool encodes_entries() const { return false; }
  // The same one by one.
  using TakeOne = std::function<Result<void>(LeafIndex id, ByteView entry)>;
  [[nodiscard]] Result<void> read_each(LeafIndex from, LeafIndex to, const TakeOne& take);
  // Nothing where read_entries() tells of none, or it is not one that is known.
  [[nodiscard]] Result<std::optional<Entry>> entry(LeafIndex id);
  // Why read_entries() told nothing of an id: "it is missing", "its source 99 is not registered".
  [[nodiscard]] virtual Result<std::string> problem_of(LeafIndex id) = 0;

  // All that are kept, by ascending size. An error of `take` ends it.
  using TakeCheckpoint = std::function<Result<void>(const AuditedCheckpoint&)>;
  [[nodiscard]] virtual Result<void> read_checkpoints(const TakeCheckpoint& take) = 0;

  // The hashes of each as they are stored, however many; none if the tile is not there. Level 0 is
  // there where the tile is full. Nothing at all for a log without tiles of its own.
  [[nodiscard]] virtual bool has_tiles() const { return false; }
  [[nodiscard]] virtual Result<std::vector<std::vector<Hash>>> tiles(
      std::span<const TileId> ids) = 0;
  // The first tile of each level that holds more than a tree of this size has.
  [[nodiscard]] virtual Result<std::vector<TileId>> surplus_tiles(TreeSize /*size*/) {
    return std::vector<TileId>();
  }

  // Nothing for a log that comes without: then entries and checkpoints say all.
  [[nodiscard]] virtual Result<std::optional<StoredHeads>> heads() {
    return std::optional<StoredHeads>();
  }

  // The text whose SHA-256 a define or notice entry has. kReject if it is not there.
  [[nodiscard]] virtual Result<std::string> document(const Hash& hash) = 0;

  // Whether the salts of a source are there. They are asked for in ascending order of ids, while entries
  // are read; or, where it says that they can be had at any time, whenever some are needed. `salts` has
  // a place for each id.
  [[nodiscard]] virtual bool has_salts(std::string_view source) = 0;
  [[nodiscard]] virtual Result<void> salts(std::string_view source, std::span<const LeafIndex> ids,
                                           std::span<Hash> salts) = 0;
  [[nodiscard]] virtual bool salts_at_any_time() const { return false; }

  // When all rows that were there when a source was added had been recorded; nothing if that is not
  // known. Rows of before may have been recorded late until then.
  [[nodiscard]] virtual Result<std::optional<Time>> first_load_ended(std::string_view /*source*/) {
    return std::optional<Time>();
  }
  // Of a source that is read in the order of its keys, the sweeps that found something beside; nothing
  // if it is not, or that is not known. May be asked for while entries are read, and so may
  // first_load_ended().
  [[nodiscard]] virtual std::optional<std::vector<PastSweep>> sweeps(std::string_view /*source*/) {
    return std::nullopt;
  }
};

}  // namespace pgtally
