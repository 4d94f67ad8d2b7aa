// An auditor's bundle read as the published log that it was made from.
//
// A bundle has entries and no tiles: these follow from the entries. Those above level 0 are kept in
// memory, which is an eighth of a byte for each entry; those of level 0 are hashed when they are asked
// for, which is cheap in ascending order.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "audit/audited_log.h"
#include "client/log_reader.h"
#include "merkle/tile_cutter.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"

namespace pgtally {

class BundleCopy : public PublishedLog {
 public:
  // Goes through all entries once. The log outlives it. The checkpoint is the newest that the policy
  // accepts.
  [[nodiscard]] static Result<std::unique_ptr<BundleCopy>> open(AuditedLog& log,
                                                                const Policy& policy);

  [[nodiscard]] Result<std::string> checkpoint() override { return note_; }
  [[nodiscard]] Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids,
                                                             TreeSize size) override;
  [[nodiscard]] Result<std::vector<std::string>> bundles(std::uint64_t first, std::size_t count,
                                                         TreeSize size) override;
  [[nodiscard]] Result<std::string> document(const Hash& hash) override {
    return log_.document(hash);
  }

 private:
  explicit BundleCopy(AuditedLog& log) : log_(log) {}
  [[nodiscard]] Result<void> cut_tiles();
  void keep(const std::vector<TileWrite>& writes);
  [[nodiscard]] Result<std::vector<Hash>> leaf_tile(std::uint64_t index, std::uint32_t width);
  // Reads the entries of these level-0 tiles, unless they were the last that were read.
  [[nodiscard]] Result<void> read(std::uint64_t first, std::size_t count);

  AuditedLog& log_;
  std::string note_;
  std::map<TileId, std::vector<Hash>> above_;  // level 1 and higher
  std::vector<Hash> last_leaves_;              // of the level-0 tile that is not full
  std::uint64_t read_from_ = 0;                // the tiles whose entries are at hand
  std::vector<std::vector<Bytes>> read_;
};

}  // namespace pgtally
