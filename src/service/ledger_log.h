// A ledger as a log that is published: its newest checkpoint with what witnesses have said of it, and
// the tiles, entry bundles and documents of it.
#pragma once

#include <chrono>

#include "client/log_reader.h"
#include "ledger/ledger.h"

namespace pgtally {

// Nothing is read that is not under a signed checkpoint, as long as the sizes are those of one.
class LedgerLog : public DocumentedLog {
 public:
  // `patience`: so long a checkpoint waits for its witnesses, see checkpoint_to_show().
  explicit LedgerLog(const Ledger& ledger, std::chrono::milliseconds patience = {})
      : ledger_(ledger), patience_(patience) {}

  [[nodiscard]] Result<std::string> checkpoint() override;
  [[nodiscard]] Result<std::vector<std::vector<Hash>>> tiles(std::span<const TileId> ids,
                                                             TreeSize size) override;
  [[nodiscard]] Result<std::vector<std::string>> bundles(std::uint64_t first, std::size_t count,
                                                         TreeSize size) override;
  [[nodiscard]] Result<std::vector<std::string>> documents(LeafIndex first,
                                                           LeafIndex before) override;

 private:
  const Ledger& ledger_;
  std::chrono::milliseconds patience_;
};

}  // namespace pgtally
