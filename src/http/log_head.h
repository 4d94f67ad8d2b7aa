// The newest signed checkpoint: the end of everything that may be revealed.
//
// A checkpoint becomes the head only after its signature was verified and the right edge of the tree
// in the database was found to have the root that it signs. All other tiles and entries are checked
// against what hangs below that root before they are served (log_tree.h).
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/tree_head.h"
#include "merkle/node_reader.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"

namespace pgtally::http {

struct LogHead {
  std::string origin;
  std::string vkey;
  TreeSize size;
  Hash root;
  Time signed_at;
  std::shared_ptr<const std::string> note;  // with the cosignatures that it is served with
  std::string etag;                         // of the note
  // By level, the tile that is not full; null where all of them are.
  std::vector<std::shared_ptr<const TileNodes>> edge;
};
using LogHeadPtr = std::shared_ptr<const LogHead>;

// kTampered: the signature does not verify, or the tree has another root.
[[nodiscard]] Result<LogHeadPtr> read_log_head(const Ledger& ledger,
                                               const StoredCheckpoint& checkpoint);
// The same head with its note as it is now.
[[nodiscard]] LogHeadPtr with_note(const LogHead& head, std::string note);

// That the ledger's own key signed exactly this size and root.
[[nodiscard]] Result<void> check_signed(const Ledger& ledger, const StoredCheckpoint& checkpoint);

// An entity tag for these bytes.
[[nodiscard]] std::string etag_of(std::string_view bytes);

// The head that is revealed at present. For any thread.
class Revealed {
 public:
  // Null until there is one.
  [[nodiscard]] LogHeadPtr head() const {
    const std::lock_guard lock(mutex_);
    return head_;
  }
  void reveal(LogHeadPtr head) {
    const std::lock_guard lock(mutex_);
    head_ = std::move(head);
  }
  // Whether the database was asked once, so that no head means that nothing was signed.
  [[nodiscard]] bool has_looked() const {
    const std::lock_guard lock(mutex_);
    return has_looked_;
  }
  void looked() {
    const std::lock_guard lock(mutex_);
    has_looked_ = true;
  }

 private:
  mutable std::mutex mutex_;
  LogHeadPtr head_;
  bool has_looked_ = false;
};

}  // namespace pgtally::http
