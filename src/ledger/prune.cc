#include "ledger/prune.h"

#include "base/encoding.h"
#include "ledger/tile_store.h"
#include "merkle/proof.h"
#include "pgtally/verify.h"

namespace pgtally {

Result<StoredCheckpoint> covering_checkpoint(const Ledger& ledger) {
  TRY(auto stored, newest_checkpoint(ledger));
  if (!stored) {
    return operator_error("nothing was signed yet, so nothing may be pruned",
                          "Let the service run, or run: pgtally run --once");
  }
  TRY(auto key, VerifierKey::parse(ledger.vkey()));
  TRY(const auto policy, Policy::trust(std::move(key)));
  const auto verified = verify_checkpoint(stored->note, policy);
  if (!verified.ok()) return verified.error().within("the newest checkpoint in the database");
  TRY(const TreeHead head, read_tree_head(ledger));
  const Checkpoint& checkpoint = verified->checkpoint;
  const auto is_of_the_tree = [&]() -> Result<bool> {
    if (checkpoint.size != stored->size || head.size < stored->size) return false;
    DatabaseTiles tiles(ledger, head.size);
    TRY(const Hash root, root_at(tiles, stored->size));
    return checkpoint.root == root;
  };
  TRY(const bool is_its_own, is_of_the_tree());
  if (!is_its_own) {
    return tampered("the newest checkpoint, of size " + std::to_string(stored->size.value) +
                        ", is not of the tree that is in the database",
                    "Nothing was pruned. Look at what pgtally rebuild --check says.");
  }
  return *std::move(stored);
}

Result<std::uint64_t> prune_staging(const Ledger& ledger, std::int32_t most) {
  TRY(const auto rows, ledger.query("SELECT pgtally.prune($1::int4)", pg::Params().int4(most)));
  TRY(const auto count, rows.get<std::int64_t>(0, 0));
  return static_cast<std::uint64_t>(count);
}

Result<std::vector<std::string>> sources_without_kept_data(const Ledger& ledger) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT s.name FROM pgtally.source AS s
     CROSS JOIN (SELECT next_ordinals FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1) AS h
     WHERE s.mode = 'append' AND NOT s.keep_data AND h.next_ordinals[s.source_id + 1] > 1
     ORDER BY s.source_id)sql"));
  std::vector<std::string> names;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(names.emplace_back(), rows.get<std::string>(r, 0));
  }
  return names;
}

Result<std::optional<std::uint64_t>> estimate_staged(const Ledger& ledger) {
  TRY(const auto rows, ledger.query("SELECT reltuples::bigint FROM pg_class "
                                    "WHERE oid = 'pgtally.append_only_log'::regclass"));
  TRY(const auto estimate, rows.get<std::int64_t>(0, 0));
  if (estimate <= 0) return std::optional<std::uint64_t>{};
  return std::optional(static_cast<std::uint64_t>(estimate));
}

}  // namespace pgtally
