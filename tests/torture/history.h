// Every signed note that was ever seen, from wherever it came: what outsiders may have remembered.
#pragma once

#include <map>
#include <string>

#include "ledger/ledger.h"
#include "pgtally/policy.h"
#include "pgtally/types.h"

namespace pgtally::torture {

class History {
 public:
  explicit History(const std::string& vkey);

  // Verifies the note as a stranger would. Throws if it does not verify, or if another root was
  // signed for the same size.
  void add(const std::string& note);
  // All checkpoints of the database.
  void add_stored(const Ledger& ledger);

  // Proves from the ledger's tiles, with the public verifier, that each note which came since the
  // last call is consistent with the next larger one and the next smaller one. Consistency is
  // transitive, so all are consistent with all. Throws if not.
  void check_consistency(const Ledger& ledger);

  // That each root is that of the log's entries, hashed anew without any tile; and consistency once
  // more, of every pair among `most` of the notes.
  void check_against_entries(const Ledger& ledger, std::size_t most = 100) const;

  [[nodiscard]] std::size_t size() const { return roots_.size(); }
  [[nodiscard]] TreeSize largest() const;

 private:
  struct Known {
    Hash root;
    bool is_checked = false;  // against the next larger one
  };
  Policy policy_;
  std::map<TreeSize, Known> roots_;
};

}  // namespace pgtally::torture
