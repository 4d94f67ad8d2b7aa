// A log in memory as an audit reads it. Everything can be set to whatever a test has in mind; nothing
// follows from anything else.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "audit/audited_log.h"

namespace pgtally::test {

class MemoryAuditedLog : public AuditedLog {
 public:
  TreeSize size() const override { return TreeSize{entries.size()}; }
  Result<void> read_entries(LeafIndex from, LeafIndex to, const Take& take) override {
    std::vector<ByteView> some;
    for (std::uint64_t i = from.value; i < to.value; ++i) some.push_back(as_bytes(entries[i]));
    return take(from, some);
  }
  Result<std::string> problem_of(LeafIndex) override { return std::string("it is missing"); }
  Result<void> read_checkpoints(const TakeCheckpoint& take) override {
    for (const auto& [note, signed_at] : checkpoints) {
      AuditedCheckpoint checkpoint;
      checkpoint.note = note;
      checkpoint.signed_at = signed_at;
      TRY_VOID(take(checkpoint));
    }
    return {};
  }
  bool has_tiles() const override { return stored_tiles.has_value(); }
  Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids) override {
    std::vector<std::vector<Hash>> tiles(ids.size());
    for (std::size_t i = 0; stored_tiles && i < ids.size(); ++i) {
      const auto found = stored_tiles->find(ids[i]);
      if (found != stored_tiles->end()) tiles[i] = found->second;
    }
    return tiles;
  }
  Result<std::string> document(const Hash& hash) override {
    const auto found = documents.find(hash);
    return found == documents.end() ? Result<std::string>(reject("not there")) : found->second;
  }
  bool has_salts(std::string_view) override { return false; }
  Result<void> salts(std::string_view, std::span<const LeafIndex>, std::span<Hash>) override {
    return reject("no salts");
  }
  Result<std::optional<Time>> first_load_ended(std::string_view source) override {
    const auto found = first_loads.find(source);
    return found == first_loads.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<std::vector<PastSweep>> sweeps(std::string_view source) override {
    const auto found = past_sweeps.find(source);
    return found == past_sweeps.end() ? std::nullopt : std::optional(found->second);
  }

  std::vector<std::string> entries;  // encoded; empty: missing
  std::vector<std::pair<std::string, Time>> checkpoints;
  std::optional<std::map<TileId, std::vector<Hash>>> stored_tiles;
  std::map<Hash, std::string> documents;
  std::map<std::string, Time, std::less<>> first_loads;
  std::map<std::string, std::vector<PastSweep>, std::less<>> past_sweeps;
};

}  // namespace pgtally::test
