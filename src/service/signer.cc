#include "service/signer.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "format/sign_checkpoint.h"
#include "ledger/tile_store.h"
#include "merkle/proof.h"

namespace pgtally {
namespace {

std::string shown(const char* what, TreeSize size, const Hash& root) {
  return fmt::format("  {:<10} size {}  root {}", what, size.value, to_base64(root.view()));
}

Error behind(const TreeHead& head, const GuardState& guarded, const std::string& guard_path) {
  return tampered(
      "the database is behind what this ledger has already signed",
      fmt::format(
          "{}   (guard {})\n{}\n"
          "It was probably restored from a backup, or a standby took over that had not "
          "received everything.\n"
          "Nothing was signed. Stop everything that writes to this ledger, and bring back a "
          "database that has\nall {} entries; or let them be recorded again from what was "
          "published: pgtally recover",
          shown("signed:", guarded.size, guarded.root), guard_path,
          shown("database:", head.size, head.root), guarded.size.value));
}

Error forked(const TreeHead& head, const GuardState& guarded, const Hash& actual,
             const std::string& guard_path) {
  return tampered(
      "the database holds another history than the one this ledger has signed",
      fmt::format(
          "{}   (guard {})\n{}\n{}\n"
          "Somebody changed the log, or the database was restored and went on from an "
          "earlier state.\nNothing was signed. pgtally rebuild --check says what differs, and "
          "pgtally recover what can be done.",
          shown("signed:", guarded.size, guarded.root), guard_path,
          shown("there now:", guarded.size, actual), shown("database:", head.size, head.root)));
}

}  // namespace

Result<void> Signer::check_extends(const Ledger& ledger, const TreeHead& head,
                                   const GuardState& guarded, bool extended) const {
  if (guarded.ended) return log_has_ended(guarded.origin);
  if (guarded.origin != ledger.origin() || guarded.id != head.guard_id) {
    return operator_error(
        fmt::format("the guard {} belongs to another ledger or was replaced by another guard",
                    guard_.path()),
        fmt::format("  guard:     id {}  origin {}\n  database:  id {}  origin {}\n"
                    "Nothing was signed. Only the host whose guard the database names may sign. To "
                    "take over on this one:\npgtally run --accept-head SIZE:ROOT, as a published "
                    "checkpoint has them.",
                    to_hex(guarded.id), guarded.origin, to_hex(head.guard_id), ledger.origin()));
  }
  if (head.size < guarded.size) return behind(head, guarded, guard_.path());
  if (head.size == guarded.size) {
    return head.root == guarded.root ? Result<void>()
                                     : forked(head, guarded, head.root, guard_.path());
  }
  const bool in_memory = extended && last_guarded_ && last_guarded_->size == guarded.size &&
                         last_guarded_->root == guarded.root;
  if (in_memory) return {};
  DatabaseTiles tiles(ledger, head.size);
  TRY(const Hash now, root_at(tiles, guarded.size));
  if (now != guarded.root) return forked(head, guarded, now, guard_.path());
  // The tiles may be right and the head not: a tree of this size has to have the head's root.
  TRY(const Hash whole, root_at(tiles, head.size));
  return whole == head.root ? Result<void>() : forked(head, guarded, whole, guard_.path());
}

Result<void> Signer::check(const Ledger& ledger) const {
  // The guard first: it never holds a head that was not committed before, so a head that is read
  // later is not behind it, however busy other instances are.
  TRY(const GuardState guarded, guard_.read());
  TRY(const TreeHead head, read_tree_head(ledger));
  return check_extends(ledger, head, guarded, false);
}

Result<std::optional<SignedHead>> Signer::sign(const Ledger& ledger, const TreeHead& head,
                                               bool extended) {
  if (head.size.value == 0 || head.size == last_stored_) return std::optional<SignedHead>{};
  TreeHead current = head;
  auto advanced = guard_.advance([&](const GuardState& guarded) -> Result<GuardState> {
    // Another instance may have gone on meanwhile; then its head is the one to sign.
    bool same = extended;
    if (current.size < guarded.size) {
      TRY(current, read_tree_head(ledger));
      same = false;
    }
    TRY_VOID(check_extends(ledger, current, guarded, same));
    return GuardState{guarded.origin, guarded.id, current.size, current.root};
  });
  if (!advanced.ok()) return std::move(advanced).error();
  last_guarded_ = *advanced;
  reached(Step::kGuardAdvanced);

  TRY(auto note, sign_checkpoint(key_, current.size, current.root));
  reached(Step::kSigned);
  TRY_VOID(store_checkpoint(ledger, current.size, current.root, note));
  last_stored_ = current.size;
  reached(Step::kStored);
  return std::optional(SignedHead{current.size, current.root, std::move(note)});
}

}  // namespace pgtally
