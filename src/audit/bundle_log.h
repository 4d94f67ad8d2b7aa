// A log as a bundle has it: for an audit that sees nothing of the ledger.
//
// Opening reads the whole file once and refuses what is damaged or malformed. Whether its entries are
// those that were signed is for the audit to find out. Memory: 48 bytes a document, two blocks;
// entries may name kMaxBundleSources sources.
//
// Spec: docs/formats.md, section Bundle.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/audited_log.h"
#include "format/audit_bundle.h"
#include "pgtally/result.h"

namespace pgtally {

class BundleLog : public AuditedLog {
 public:
  // kReject for a file that is no bundle, or no whole one; kOperator if it cannot be read.
  [[nodiscard]] static Result<std::unique_ptr<BundleLog>> open(const std::string& path);
  [[nodiscard]] static Result<std::unique_ptr<BundleLog>> open(std::unique_ptr<ByteSource> file);

  // What the operator says.
  [[nodiscard]] const BundleAbout& about() const { return index_.about; }
  [[nodiscard]] const std::vector<BundleSource>& sources() const { return index_.sources; }
  [[nodiscard]] const BundleSource* source(std::string_view name) const;  // null if there is none
  // How many entries name the source.
  [[nodiscard]] std::uint64_t entries_of(std::string_view source) const;

  [[nodiscard]] TreeSize size() const override { return index_.size; }
  // Going back costs reading from the beginning.
  [[nodiscard]] Result<void> read_entries(LeafIndex from, LeafIndex to, const Take& take) override;
  // Bytes that are no entry are told as they are, so there is nothing to say here.
  [[nodiscard]] Result<std::string> problem_of(LeafIndex id) override;
  [[nodiscard]] Result<void> read_checkpoints(const TakeCheckpoint& take) override;
  // A bundle has none: the tree follows from the entries.
  [[nodiscard]] Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids) override;
  [[nodiscard]] Result<std::string> document(const Hash& hash) override;
  [[nodiscard]] bool has_salts(std::string_view source) override;
  // kTampered if it is not there: a salt that is held back would hide what its entry recorded.
  [[nodiscard]] Result<void> salts(std::string_view source, std::span<const LeafIndex> ids,
                                   std::span<Hash> salts) override;
  // The operator's word.
  [[nodiscard]] Result<std::optional<Time>> first_load_ended(std::string_view source) override;

 private:
  using Counts = std::map<std::string, std::uint64_t, std::less<>>;
  BundleLog(std::unique_ptr<ByteSource> file, BundleIndex index, Counts counts)
      : file_(std::move(file)),
        index_(std::move(index)),
        counts_(std::move(counts)),
        entries_(*file_, index_.entries_at) {}
  [[nodiscard]] Result<Hash> salt(std::string_view source, LeafIndex id);
  [[nodiscard]] Result<ByteView> salt_record(std::uint64_t number);
  [[nodiscard]] Result<void> load_salts(std::uint64_t block);

  std::unique_ptr<ByteSource> file_;
  BundleIndex index_;
  Counts counts_;
  BundleCursor entries_;
  LeafIndex next_entry_;  // the first of the block that entries_ reads next
  Bytes salts_;           // one block of records
  std::uint64_t salts_block_ = UINT64_MAX;
  std::uint64_t next_salt_ = 0;
};

}  // namespace pgtally
