// A ledger's log as its database holds it, in the snapshot that the connection is in.
//
// A source's entries are encoded under the name that the log itself defines for it, where the document of
// its define entry says one and is what that entry names; the registry is believed only otherwise. So a
// name that was edited there is one finding, and not one for each entry.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "audit/audited_log.h"
#include "audit/entry_row.h"
#include "audit/entry_stream.h"
#include "audit/side_sessions.h"
#include "format/blinding.h"
#include "ledger/ledger.h"

namespace pgtally {

class LedgerAuditLog : public AuditedLog {
 public:
  // To be called within the transaction that is the audit's snapshot. The ledger outlives it, and so do
  // its side sessions, if there are any.
  [[nodiscard]] static Result<std::unique_ptr<LedgerAuditLog>> open(const Ledger& ledger,
                                                                    SideSessions* sides = nullptr);

  [[nodiscard]] TreeSize size() const override { return size_; }
  [[nodiscard]] Result<void> read_entries(LeafIndex from, LeafIndex to, const Take& take) override;
  [[nodiscard]] bool encodes_entries() const override { return true; }
  [[nodiscard]] Result<std::string> problem_of(LeafIndex id) override;
  [[nodiscard]] Result<void> read_checkpoints(const TakeCheckpoint& take) override;
  [[nodiscard]] bool has_tiles() const override { return true; }
  [[nodiscard]] Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids) override;
  [[nodiscard]] Result<std::vector<TileId>> surplus_tiles(TreeSize size) override;
  [[nodiscard]] Result<std::optional<StoredHeads>> heads() override;
  [[nodiscard]] Result<std::string> document(const Hash& hash) override;
  [[nodiscard]] bool has_salts(std::string_view source) override;
  [[nodiscard]] Result<void> salts(std::string_view source, std::span<const LeafIndex> ids,
                                   std::span<Hash> salts) override;
  [[nodiscard]] bool salts_at_any_time() const override { return true; }
  [[nodiscard]] Result<std::optional<Time>> first_load_ended(std::string_view source) override;
  [[nodiscard]] std::optional<std::vector<PastSweep>> sweeps(std::string_view source) override;

  // By the numbers that entries have in the database.
  [[nodiscard]] const SourceIdNames& names() const { return names_; }

 private:
  LedgerAuditLog(const Ledger& ledger, SideSessions* sides) : ledger_(&ledger), sides_(sides) {}
  [[nodiscard]] std::string query_of(LeafIndex from, LeafIndex to, EntryStream::Order order) const;
  [[nodiscard]] std::unique_ptr<EntryStream> stream(const std::vector<pg::Connection*>& sessions,
                                                    LeafIndex from, LeafIndex to) const;
  void look_ahead(LeafIndex from);
  [[nodiscard]] Result<void> take_all(EntryStream& entries, LeafIndex to, const Take& take);
  [[nodiscard]] Result<void> load_size();
  [[nodiscard]] Result<void> load_documents();
  [[nodiscard]] Result<void> load_names();
  [[nodiscard]] Result<void> load_secrets();
  [[nodiscard]] Result<void> load_sweeps();

  const Ledger* ledger_;
  SideSessions* sides_;  // may be null
  TreeSize size_;
  SourceIdNames names_;
  std::map<Hash, std::string> documents_;
  std::map<std::string, BlindingSecret, std::less<>> secrets_;
  std::map<std::string, Time, std::less<>> first_loads_;
  std::map<std::string, std::vector<PastSweep>, std::less<>> sweeps_;
  EntryBlock block_;
  std::unique_ptr<EntryStream> ahead_;
};

}  // namespace pgtally
