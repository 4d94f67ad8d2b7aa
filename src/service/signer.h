// Steps 3 and 4 of the way of a row: the guard, then the signature, then the checkpoint.
//
// Nothing but this signs. A crash between any two of its steps is mended by calling it again: it
// looks at the head and the guard, not at what this process remembers.
#pragma once

#include <optional>

#include "format/signing_key.h"
#include "ledger/ledger.h"
#include "ledger/step.h"
#include "ledger/tree_head.h"
#include "pgtally/result.h"
#include "service/guard.h"

namespace pgtally {

struct SignedHead {
  TreeSize size;
  Hash root;
  std::string note;
};

class Signer {
 public:
  Signer(SigningKey key, Guard guard, StepObserver* observer)
      : key_(std::move(key)), guard_(std::move(guard)), observer_(observer) {}

  // Refuses, before anything is sequenced, a database that the guard's head is not part of.
  [[nodiscard]] Result<void> check(const Ledger& ledger) const;

  // Signs `head`, which is committed, unless it is empty or has its checkpoint already. `extended`
  // says that it was reached from the head that this signer guarded last by appending to it in
  // memory; otherwise the tree is asked whether it still has the guard's root.
  [[nodiscard]] Result<std::optional<SignedHead>> sign(const Ledger& ledger, const TreeHead& head,
                                                       bool extended);

  [[nodiscard]] const Guard& guard() const { return guard_; }

 private:
  [[nodiscard]] Result<void> check_extends(const Ledger& ledger, const TreeHead& head,
                                           const GuardState& guarded, bool extended) const;
  void reached(Step step) const {
    if (observer_ != nullptr) observer_->reached(step);
  }

  SigningKey key_;
  Guard guard_;
  StepObserver* observer_;
  std::optional<GuardState> last_guarded_;
  TreeSize last_stored_;
};

}  // namespace pgtally
