// The head of the tree as the database keeps it.
#pragma once

#include <optional>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/schema.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct TreeHead {
  TreeSize size;
  Hash root;
  std::vector<Hash> frontier;
  GuardId guard_id{};  // which guard may sign for it
};

// The newest one. kTampered if its parts do not fit each other.
[[nodiscard]] Result<TreeHead> read_tree_head(const Ledger& ledger);

// Part of the caller's transaction.
[[nodiscard]] Result<void> write_tree_head(const Ledger& ledger, const TreeHead& head);

struct StoredCheckpoint {
  TreeSize size;
  Hash root;
  std::string note;
  Time signed_at;
};

// The newest one, or the first that covers at least `at_least` entries; nothing if there is none.
[[nodiscard]] Result<std::optional<StoredCheckpoint>> newest_checkpoint(const Ledger& ledger);
[[nodiscard]] Result<std::optional<StoredCheckpoint>> checkpoint_of_size(const Ledger& ledger,
                                                                         TreeSize size);

// Keeps what is there if a checkpoint of that size is stored already.
[[nodiscard]] Result<void> store_checkpoint(const Ledger& ledger, TreeSize size, const Hash& root,
                                            const std::string& note);

}  // namespace pgtally
