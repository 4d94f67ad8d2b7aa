// How the log pass hands on what it reads: every entry once, in the order of the log.
#pragma once

#include "pgtally/entry.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct VisitedEntry {
  LeafIndex id;
  const EntryView& entry;  // valid during the call
  // The tree holds another leaf at this place, and is right: what stands here was not recorded so.
  // Its finding is made. Keep it as the last state of its key, so that the row is not accused as
  // well; but no key is to be ended by it, nor a source by its truncate.
  bool bad = false;
};

// Where an entry cannot be read at all, nothing is handed on: `Suspects` knows of it.
class EntryVisitor {
 public:
  virtual ~EntryVisitor() = default;

  // An error ends the audit: only what keeps it from going on, never what was found.
  [[nodiscard]] virtual Result<void> visit(const VisitedEntry& visited) = 0;
};

}  // namespace pgtally
