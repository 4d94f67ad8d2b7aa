#include "ledger/first_cover.h"

#include "ledger/cosignatures.h"

namespace pgtally {
namespace {

// That a checkpoint is what the table says of it.
Result<void> check_kept(const Ledger& ledger, TreeSize size, const std::string& note) {
  TRY(auto key, VerifierKey::parse(ledger.vkey()));
  TRY(const Policy own, Policy::trust(std::move(key)));
  const auto verified = verify_checkpoint(note, own);
  if (verified.ok() && verified->checkpoint.size == size) return {};
  return tampered("the kept checkpoint of size " + std::to_string(size.value) + " is damaged",
                  "pgtally rebuild --check says what else differs.");
}

Result<std::optional<VerifiedCheckpoint>> first_witnessed(const Ledger& ledger, LeafIndex id,
                                                          const Policy& policy) {
  TRY(const auto rows,
      ledger.query("SELECT size FROM pgtally.checkpoint AS c WHERE size > $1 AND EXISTS "
                   "(SELECT FROM pgtally.cosignature AS w WHERE w.size = c.size) "
                   "ORDER BY size LIMIT $2",
                   pg::Params().index(id).int8(kMostCosignedTried)));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const TreeSize size, rows.get<TreeSize>(r, 0));
    TRY(const auto note, cosigned_checkpoint(ledger, size));
    auto verified = verify_checkpoint(note, policy);
    // Quorums that are not met yet, and lines that somebody damaged, leave it to a later one.
    if (verified.ok() && !verified->cosigned_by.empty()) return std::optional(std::move(*verified));
  }
  return std::optional<VerifiedCheckpoint>{};
}

}  // namespace

Result<std::optional<FirstCover>> first_cover(const Ledger& ledger, LeafIndex id,
                                              const Policy* policy) {
  TRY(const auto rows, ledger.query("SELECT size, note, signed_at FROM pgtally.checkpoint "
                                    "WHERE size > $1 ORDER BY size LIMIT 1",
                                    pg::Params().index(id)));
  if (rows.empty()) return std::optional<FirstCover>{};
  FirstCover cover;
  TRY(cover.size, rows.get<TreeSize>(0, 0));
  TRY(const auto note, rows.get<std::string>(0, 1));
  TRY(cover.signed_at, rows.get<Time>(0, 2));
  TRY_VOID(check_kept(ledger, cover.size, note));
  if (policy != nullptr) {
    TRY(cover.witnessed, first_witnessed(ledger, id, *policy));
  }
  return std::optional(std::move(cover));
}

}  // namespace pgtally
