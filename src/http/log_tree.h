// Tiles, entry bundles and nodes of the tree, from memory where they are there, else from the
// database; never beyond the head that the caller gives.
//
// What comes from the database is checked before it is kept or handed out: each tile against the hash
// of it in the tile above, up to the right edge, whose root was signed; each bundle against its tile.
//
// Each call takes the ledger of the calling thread, or null for who must not block: then what is not
// in memory is kRetry. Other errors: kTampered where the database is not what was signed, and what
// reading it says. For any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "http/log_head.h"
#include "http/lru_cache.h"
#include "ledger/ledger.h"
#include "merkle/node_reader.h"
#include "merkle/tile.h"
#include "pgtally/result.h"

namespace pgtally::http {

// Bytes that are served as they are.
struct Piece {
  std::shared_ptr<const std::string> bytes;
  std::shared_ptr<const std::string> gzipped;  // of bundles
  std::string etag;
};
using PiecePtr = std::shared_ptr<const Piece>;

// An earlier checkpoint that is still there.
struct SignedTree {
  TreeSize size;
  Hash root;
  std::shared_ptr<const std::string> note;
};

class LogTree {
 public:
  explicit LogTree(std::size_t cache_bytes) : cache_(cache_bytes) {}

  // Precondition of both: the head's tree has that many hashes in the tile, at least one.
  [[nodiscard]] Result<PiecePtr> tile(const LogHead& head, const TileRequest& request,
                                      const Ledger* ledger);
  // `request` is that of the level-0 tile with the same entries.
  [[nodiscard]] Result<PiecePtr> bundle(const LogHead& head, const TileRequest& request,
                                        const Ledger* ledger);

  // The bytes of one entry. Precondition: it is below the head.
  [[nodiscard]] Result<Bytes> entry(const LogHead& head, LeafIndex id, const Ledger* ledger);

  // What was signed at that size: the head itself, or an earlier checkpoint that is stored. kReject
  // if there is none.
  [[nodiscard]] Result<SignedTree> signed_tree(const LogHead& head, TreeSize size,
                                               const Ledger* ledger);

  // All nodes of a tile, as wide as it is at the head.
  [[nodiscard]] Result<std::shared_ptr<const TileNodes>> nodes(const LogHead& head, TileId tile,
                                                               const Ledger* ledger);

  // Documents by their hash, in the same memory. Null if it is not there.
  [[nodiscard]] PiecePtr document(const Hash& hash);
  PiecePtr keep_document(const Hash& hash, std::string text);

  [[nodiscard]] CacheCounts counts() const { return cache_.counts(); }

 private:
  enum class Kind : std::uint8_t { kTile, kBundle, kNodes, kCheckpoint, kDocument };
  struct Key {
    Kind kind;
    TileRequest request;
    Hash document = {};
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    [[nodiscard]] std::size_t operator()(const Key& key) const;
  };
  // One of these is there.
  struct Item {
    PiecePtr piece = {};
    std::shared_ptr<const TileNodes> nodes = {};
    std::optional<SignedTree> tree = {};
  };

  void keep(const Key& key, Item item);

  LruCache<Key, Item, KeyHash> cache_;
};

// What proofs read: LogTree::nodes() of one head, for the time of one call.
class LogNodes final : public NodeReader {
 public:
  LogNodes(LogTree& tree, const LogHead& head, const Ledger* ledger)
      : tree_(tree), head_(head), ledger_(ledger) {}

  [[nodiscard]] TreeSize size() const override { return head_.size; }
  [[nodiscard]] Result<std::vector<Hash>> roots(std::span<const TilePart> parts,
                                                TreeSize size) override;

 private:
  LogTree& tree_;
  const LogHead& head_;
  const Ledger* ledger_;
};

}  // namespace pgtally::http
