#include "http/log_tree.h"

#include "format/entry_bundle.h"
#include "http/compress.h"
#include "ledger/cosignatures.h"
#include "ledger/entry_reader.h"
#include "ledger/tile_store.h"
#include "merkle/proof.h"
#include "pgtally/merkle.h"

namespace pgtally::http {
namespace {

// What the cache's own lists and strings take for each item, about.
constexpr std::size_t kItemOverhead = 256;

Error not_at_hand() {
  return retry("this has to be read from the database");
}

Error not_as_signed(const TileRequest& request) {
  return tampered(
      tile_path(request) + " in the database does not belong to the tree that was signed",
      "It is not served. pgtally rebuild --check says what differs.");
}

}  // namespace

std::size_t LogTree::KeyHash::operator()(const Key& key) const {
  std::uint64_t mixed = key.request.tile.index * 0x9E3779B97F4A7C15U;
  for (std::size_t i = 0; i < 8; ++i) mixed ^= std::uint64_t{key.document.bytes[i]} << (8 * i);
  mixed ^= (static_cast<std::uint64_t>(key.kind) << 48) ^
           (static_cast<std::uint64_t>(key.request.tile.level) << 32) ^ key.request.width;
  return static_cast<std::size_t>(mixed ^ (mixed >> 29));
}

void LogTree::keep(const Key& key, Item item) {
  std::size_t bytes = kItemOverhead;
  if (item.piece) {
    bytes += item.piece->bytes->size();
    if (item.piece->gzipped) bytes += item.piece->gzipped->size();
  }
  if (item.nodes) bytes += std::size_t{2} * item.nodes->width() * Hash::kSize;
  if (item.tree) bytes += item.tree->note->size();
  cache_.put(key, std::make_shared<const Item>(std::move(item)), bytes);
}

Result<std::shared_ptr<const TileNodes>> LogTree::nodes(const LogHead& head, TileId tile,
                                                        const Ledger* ledger) {
  if (tile_width(tile, head.size) < kTileWidth) {
    return head.edge[static_cast<std::size_t>(tile.level)];
  }
  const Key key{Kind::kNodes, {tile, kTileWidth}};
  if (const auto kept = cache_.find(key)) return kept->nodes;
  if (ledger == nullptr) return not_at_hand();
  DatabaseTiles tiles(*ledger, head.size);
  TRY(const auto read, tiles.read(std::span(&key.request, 1)));
  auto own = std::make_shared<const TileNodes>(read.front());
  TRY(const auto above, nodes(head, {tile.level + 1, tile.index / kTileWidth}, ledger));
  if (node_hash(own->root(0, kTileWidth / 2), own->root(kTileWidth / 2, kTileWidth / 2)) !=
      above->root(static_cast<std::uint32_t>(tile.index % kTileWidth), 1)) {
    return not_as_signed(key.request);
  }
  keep(key, {.nodes = own});
  return own;
}

Result<PiecePtr> LogTree::tile(const LogHead& head, const TileRequest& request,
                               const Ledger* ledger) {
  const Key key{Kind::kTile, request};
  if (const auto kept = cache_.find(key)) return kept->piece;
  TRY(const auto all, nodes(head, request.tile, ledger));
  std::string bytes;
  bytes.reserve(request.width * Hash::kSize);
  for (std::uint32_t i = 0; i < request.width; ++i) bytes += as_text(all->root(i, 1).view());
  auto piece = std::make_shared<Piece>();
  piece->etag = etag_of(bytes);
  piece->bytes = std::make_shared<const std::string>(std::move(bytes));
  keep(key, {.piece = piece});
  return PiecePtr(std::move(piece));
}

Result<PiecePtr> LogTree::bundle(const LogHead& head, const TileRequest& request,
                                 const Ledger* ledger) {
  const Key key{Kind::kBundle, request};
  if (const auto kept = cache_.find(key)) return kept->piece;
  if (ledger == nullptr) return not_at_hand();
  TRY(const auto leaves, nodes(head, request.tile, ledger));
  std::string bytes;
  std::uint32_t at = 0;
  const LeafIndex from{request.tile.index * kTileWidth};
  TRY_VOID(read_entries(*ledger, from, LeafIndex{from.value + request.width},
                        [&](LeafIndex, ByteView entry) -> Result<void> {
                          if (leaf_hash(entry) != leaves->root(at++, 1)) {
                            return not_as_signed(request);
                          }
                          return append_to_bundle(bytes, entry);
                        }));
  auto piece = std::make_shared<Piece>();
  piece->etag = etag_of(bytes);
  piece->gzipped = std::make_shared<const std::string>(gzip(bytes));
  piece->bytes = std::make_shared<const std::string>(std::move(bytes));
  keep(key, {.piece = piece});
  return PiecePtr(std::move(piece));
}

Result<Bytes> LogTree::entry(const LogHead& head, LeafIndex id, const Ledger* ledger) {
  const TileId tile{0, id.value / kTileWidth};
  TRY(const auto piece, bundle(head, {tile, tile_width(tile, head.size)}, ledger));
  // The bundle was written by this program: a walk over the lengths is all that it takes.
  const ByteView bytes = as_bytes(*piece->bytes);
  std::size_t at = 0;
  const auto length = [&] { return std::size_t{bytes[at]} << 8 | bytes[at + 1]; };
  for (std::uint64_t i = id.value % kTileWidth; i > 0; --i) at += 2 + length();
  const ByteView entry = bytes.subspan(at + 2, length());
  return Bytes(entry.begin(), entry.end());
}

Result<SignedTree> LogTree::signed_tree(const LogHead& head, TreeSize size, const Ledger* ledger) {
  if (size == head.size) return SignedTree{head.size, head.root, head.note};
  const Key key{Kind::kCheckpoint, {{0, size.value}, 0}};
  if (const auto kept = cache_.find(key)) return *kept->tree;
  if (ledger == nullptr) return not_at_hand();
  TRY(const auto stored, checkpoint_of_size(*ledger, size));
  if (!stored || size > head.size) {
    return reject("there is no signed checkpoint of size " + std::to_string(size.value),
                  "Older checkpoints are thinned out; leave size away for the newest.");
  }
  TRY_VOID(check_signed(*ledger, *stored));
  LogNodes nodes(*this, head, ledger);
  TRY(const Hash root, root_at(nodes, size));
  if (root != stored->root)
    return tampered("the tree of " + std::to_string(size.value) +
                    " entries is not what was signed");
  TRY(auto note, cosigned_checkpoint(*ledger, size));
  SignedTree tree{size, root, std::make_shared<const std::string>(std::move(note))};
  keep(key, {.tree = tree});
  return tree;
}

PiecePtr LogTree::document(const Hash& hash) {
  const auto kept = cache_.find({Kind::kDocument, {}, hash});
  return kept ? kept->piece : nullptr;
}

PiecePtr LogTree::keep_document(const Hash& hash, std::string text) {
  auto piece = std::make_shared<Piece>();
  piece->etag = etag_of(text);
  piece->gzipped = std::make_shared<const std::string>(gzip(text));
  piece->bytes = std::make_shared<const std::string>(std::move(text));
  keep({Kind::kDocument, {}, hash}, {.piece = piece});
  return piece;
}

Result<std::vector<Hash>> LogNodes::roots(std::span<const TilePart> parts, TreeSize) {
  std::vector<Hash> roots;
  roots.reserve(parts.size());
  std::shared_ptr<const TileNodes> nodes;
  TileId last{-1, 0};
  for (const TilePart& part : parts) {
    if (part.tile != last) {
      TRY(nodes, tree_.nodes(head_, part.tile, ledger_));
      last = part.tile;
    }
    roots.push_back(nodes->root(part.offset, part.count));
  }
  return roots;
}

}  // namespace pgtally::http
