#include "http/log_head.h"

#include "base/encoding.h"
#include "crypto/sha256.h"
#include "ledger/tile_store.h"
#include "merkle/proof.h"
#include "pgtally/verify.h"

namespace pgtally::http {
namespace {

// The nodes of the right edge and no others, which is all that the root is made of.
class EdgeNodes final : public NodeReader {
 public:
  explicit EdgeNodes(const LogHead& head) : head_(head) {}

  [[nodiscard]] TreeSize size() const override { return head_.size; }
  [[nodiscard]] Result<std::vector<Hash>> roots(std::span<const TilePart> parts,
                                                TreeSize) override {
    std::vector<Hash> roots;
    for (const TilePart& part : parts) {
      roots.push_back(
          head_.edge[static_cast<std::size_t>(part.tile.level)]->root(part.offset, part.count));
    }
    return roots;
  }

 private:
  const LogHead& head_;
};

Result<void> read_edge(const Ledger& ledger, LogHead& head) {
  std::vector<TileRequest> requests;
  for (int level = 0; level < kTileLevels; ++level) {
    const std::uint64_t hashes = hashes_at_level(level, head.size);
    const auto width = static_cast<std::uint32_t>(hashes % kTileWidth);
    if (width > 0) requests.push_back({{level, hashes / kTileWidth}, width});
  }
  DatabaseTiles tiles(ledger, head.size);
  TRY(const auto read, tiles.read(requests));
  head.edge.resize(kTileLevels);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    head.edge[static_cast<std::size_t>(requests[i].tile.level)] =
        std::make_shared<const TileNodes>(read[i]);
  }
  return {};
}

}  // namespace

std::string etag_of(std::string_view bytes) {
  return to_hex(sha256(bytes).view().first(16));
}

Result<void> check_signed(const Ledger& ledger, const StoredCheckpoint& checkpoint) {
  TRY(auto key, VerifierKey::parse(ledger.vkey()));
  TRY(const Policy policy, Policy::trust(std::move(key)));
  const auto verified = verify_checkpoint(checkpoint.note, policy);
  if (!verified.ok())
    return tampered("a stored checkpoint does not verify: " + verified.error().message);
  const Checkpoint& said = verified->checkpoint;
  if (said.origin == ledger.origin() && said.size == checkpoint.size &&
      said.root == checkpoint.root) {
    return {};
  }
  return tampered("the checkpoint of size " + std::to_string(checkpoint.size.value) +
                  " does not say what it is stored as");
}

Result<LogHeadPtr> read_log_head(const Ledger& ledger, const StoredCheckpoint& checkpoint) {
  TRY_VOID(check_signed(ledger, checkpoint));
  auto head = std::make_shared<LogHead>();
  head->origin = ledger.origin();
  head->vkey = ledger.vkey();
  head->size = checkpoint.size;
  head->root = checkpoint.root;
  head->signed_at = checkpoint.signed_at;
  head->note = std::make_shared<const std::string>(checkpoint.note);
  head->etag = etag_of(checkpoint.note);
  TRY_VOID(read_edge(ledger, *head));
  EdgeNodes nodes(*head);
  TRY(const Hash root, root_at(nodes, head->size));
  if (root != head->root) {
    return tampered(
        "the tree of " + std::to_string(head->size.value) + " entries is not what was signed",
        "Nothing newer is served. pgtally rebuild --check says what differs.");
  }
  return LogHeadPtr(std::move(head));
}

LogHeadPtr with_note(const LogHead& head, std::string note) {
  auto changed = std::make_shared<LogHead>(head);
  changed->etag = etag_of(note);
  changed->note = std::make_shared<const std::string>(std::move(note));
  return changed;
}

}  // namespace pgtally::http
