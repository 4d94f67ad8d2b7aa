#include "ledger/first_cover.h"

#include "ledger/cosignatures.h"
#include "pgtally/verify.h"

namespace pgtally {
namespace {

// How many cosigned checkpoints are held against a policy before it is said that none fits.
constexpr int kMostCosignedTried = 1'000;

// That a checkpoint is what the table says of it.
Result<void> check_kept(const Ledger& ledger, TreeSize size, const std::string& note) {
  TRY(auto key, VerifierKey::parse(ledger.vkey()));
  TRY(const Policy own, Policy::trust(std::move(key)));
  const auto verified = verify_checkpoint(note, own);
  if (verified.ok() && verified->checkpoint.size == size) return {};
  return tampered("the kept checkpoint of size " + std::to_string(size.value) + " is damaged",
                  "pgtally rebuild --check says what else differs.");
}

Result<StoredCheckpoint> with_cosignatures(const Ledger& ledger, TreeSize size) {
  TRY(auto checkpoint, checkpoint_of_size(ledger, size));
  if (!checkpoint) return retry("a checkpoint was thinned out while it was read");
  TRY(checkpoint->note, cosigned_checkpoint(ledger, size));
  return *std::move(checkpoint);
}

Result<std::optional<StoredCheckpoint>> first_witnessed(const Ledger& ledger, LeafIndex id,
                                                        TreeSize below, const Policy* policy) {
  std::optional<StoredCheckpoint> none;
  TRY(const auto rows,
      ledger.query("SELECT size FROM pgtally.checkpoint AS c WHERE size > $1 AND size < $2 AND "
                   "EXISTS (SELECT FROM pgtally.cosignature AS w WHERE w.size = c.size) "
                   "ORDER BY size LIMIT $3",
                   pg::Params().index(id).tree_size(below).int8(kMostCosignedTried)));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const TreeSize size, rows.get<TreeSize>(r, 0));
    TRY(auto checkpoint, with_cosignatures(ledger, size));
    if (policy == nullptr) return std::optional(std::move(checkpoint));
    const auto verified = verify_checkpoint(checkpoint.note, *policy);
    // Quorums that are not met yet, and lines that somebody damaged, leave it to a later one.
    if (verified.ok() && !verified->cosigned_by.empty())
      return std::optional(std::move(checkpoint));
  }
  return none;
}

}  // namespace

Result<std::vector<StoredCheckpoint>> first_covers(const Ledger& ledger, LeafIndex id,
                                                   TreeSize below, const Policy* policy) {
  std::vector<StoredCheckpoint> covers;
  TRY(const auto rows, ledger.query("SELECT size FROM pgtally.checkpoint WHERE size > $1 AND "
                                    "size < $2 ORDER BY size LIMIT 1",
                                    pg::Params().index(id).tree_size(below)));
  if (rows.empty()) return covers;
  TRY(const TreeSize size, rows.get<TreeSize>(0, 0));
  TRY(covers.emplace_back(), with_cosignatures(ledger, size));
  TRY_VOID(check_kept(ledger, size, covers.back().note));
  TRY(auto witnessed, first_witnessed(ledger, id, below, policy));
  if (witnessed && witnessed->size != size) covers.push_back(*std::move(witnessed));
  return covers;
}

}  // namespace pgtally
