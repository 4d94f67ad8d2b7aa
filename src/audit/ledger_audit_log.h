// A ledger's log as its database holds it, in the snapshot that the connection is in.
//
// A source's entries are encoded under the name that the log itself defines for it, where the document of
// its define entry says one and is what that entry names; the registry is believed only otherwise. So a
// name that was edited there is one finding, and not one for each entry.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "audit/audited_log.h"
#include "format/blinding.h"
#include "ledger/ledger.h"

namespace pgtally {

class LedgerAuditLog : public AuditedLog {
 public:
  // To be called within the transaction that is the audit's snapshot. The ledger outlives it.
  [[nodiscard]] static Result<std::unique_ptr<LedgerAuditLog>> open(const Ledger& ledger);

  [[nodiscard]] TreeSize size() const override { return size_; }
  [[nodiscard]] Result<void> read_entries(LeafIndex from, LeafIndex to, const Take& take) override;
  [[nodiscard]] Result<std::string> problem_of(LeafIndex id) override;
  [[nodiscard]] Result<void> read_checkpoints(const TakeCheckpoint& take) override;
  [[nodiscard]] bool has_tiles() const override { return true; }
  [[nodiscard]] Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids) override;
  [[nodiscard]] Result<std::vector<TileId>> surplus_tiles(TreeSize size) override;
  [[nodiscard]] Result<std::optional<StoredHeads>> heads() override;
  [[nodiscard]] Result<std::string> document(const Hash& hash) override;
  [[nodiscard]] bool has_salts(std::string_view source) override;
  [[nodiscard]] Result<Hash> salt(std::string_view source, LeafIndex id) override;
  [[nodiscard]] bool salts_at_any_time() const override { return true; }
  [[nodiscard]] Result<std::optional<Time>> first_load_ended(std::string_view source) override;
  [[nodiscard]] std::optional<std::vector<PastSweep>> sweeps(std::string_view source) override;

  // By the numbers that entries have in the database.
  [[nodiscard]] const std::unordered_map<std::int32_t, std::string>& names() const {
    return names_;
  }

 private:
  explicit LedgerAuditLog(const Ledger& ledger) : ledger_(&ledger) {}
  [[nodiscard]] Result<void> load_size();
  [[nodiscard]] Result<void> load_documents();
  [[nodiscard]] Result<void> load_names();
  [[nodiscard]] Result<void> load_secrets();
  [[nodiscard]] Result<void> load_sweeps();

  const Ledger* ledger_;
  TreeSize size_;
  std::unordered_map<std::int32_t, std::string> names_;
  std::map<Hash, std::string> documents_;
  std::map<std::string, BlindingSecret, std::less<>> secrets_;
  std::map<std::string, Time, std::less<>> first_loads_;
  std::map<std::string, std::vector<PastSweep>, std::less<>> sweeps_;
};

}  // namespace pgtally
