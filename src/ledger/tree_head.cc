#include "ledger/tree_head.h"

#include <algorithm>

#include "merkle/frontier.h"

namespace pgtally {
namespace {

Result<std::vector<Hash>> split_hashes(ByteView bytes) {
  if (bytes.size() % Hash::kSize != 0) return tampered("the frontier of the tree head is cut off");
  std::vector<Hash> hashes(bytes.size() / Hash::kSize);
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(i * Hash::kSize), Hash::kSize,
                hashes[i].bytes.begin());
  }
  return hashes;
}

Result<std::optional<StoredCheckpoint>> one_checkpoint(Result<pg::Rows> result) {
  TRY(const auto rows, std::move(result));
  if (rows.empty()) return std::optional<StoredCheckpoint>{};
  StoredCheckpoint checkpoint;
  TRY(checkpoint.size, rows.get<TreeSize>(0, 0));
  TRY(checkpoint.root, rows.get<Hash>(0, 1));
  TRY(checkpoint.note, rows.get<std::string>(0, 2));
  TRY(checkpoint.signed_at, rows.get<Time>(0, 3));
  return std::optional(std::move(checkpoint));
}

}  // namespace

Result<TreeHead> read_tree_head(const Ledger& ledger) {
  TRY(const auto rows, ledger.query("SELECT size, root, frontier, guard_id FROM pgtally.tree_head "
                                    "ORDER BY head_id DESC LIMIT 1"));
  if (rows.empty()) {
    return tampered("the head of the tree is missing", "Restore table tree_head from a backup.");
  }
  TreeHead head;
  TRY(head.size, rows.get<TreeSize>(0, 0));
  TRY(head.root, rows.get<Hash>(0, 1));
  TRY(const auto frontier, rows.get<ByteView>(0, 2));
  TRY(head.frontier, split_hashes(frontier));
  TRY(const auto guard_id, rows.get<ByteView>(0, 3));
  std::copy_n(guard_id.begin(), std::min(guard_id.size(), head.guard_id.size()),
              head.guard_id.begin());
  const auto restored = Frontier::restore(head.size, head.frontier);
  if (!restored.ok() || restored->root() != head.root) {
    return tampered("the tree head of size " + std::to_string(head.size.value) +
                        " is damaged: its root is not that of its frontier",
                    "pgtally rebuild --check looks for what else differs.");
  }
  return head;
}

Result<void> write_tree_head(const Ledger& ledger, const TreeHead& head) {
  Bytes frontier;
  for (const Hash& node : head.frontier) {
    frontier.insert(frontier.end(), node.bytes.begin(), node.bytes.end());
  }
  TRY([[maybe_unused]] const auto rows,
      ledger.query(
          "INSERT INTO pgtally.tree_head (size, root, frontier, guard_id) VALUES ($1, $2, $3, $4)",
          pg::Params().tree_size(head.size).hash(head.root).bytea(frontier).bytea(head.guard_id)));
  return {};
}

Result<std::optional<StoredCheckpoint>> newest_checkpoint(const Ledger& ledger) {
  return one_checkpoint(ledger.query(
      "SELECT size, root, note, signed_at FROM pgtally.checkpoint ORDER BY size DESC LIMIT 1"));
}

Result<std::optional<StoredCheckpoint>> checkpoint_of_size(const Ledger& ledger, TreeSize size) {
  return one_checkpoint(
      ledger.query("SELECT size, root, note, signed_at FROM pgtally.checkpoint WHERE size = $1",
                   pg::Params().tree_size(size)));
}

Result<void> store_checkpoint(const Ledger& ledger, TreeSize size, const Hash& root,
                              const std::string& note) {
  TRY([[maybe_unused]] const auto rows,
      ledger.query("INSERT INTO pgtally.checkpoint (size, root, note) VALUES ($1, $2, $3) "
                   "ON CONFLICT (size) DO NOTHING",
                   pg::Params().tree_size(size).hash(root).text(note)));
  return {};
}

}  // namespace pgtally
