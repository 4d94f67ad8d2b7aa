// What the capture of a ledger has found and not yet put into the log, in one snapshot: the rows of
// staging, and what the feeds of its own database's tables would give.
//
// The same functions are asked that pending() asks, for a round that ends now, so nothing is guessed:
// what they do not give in a snapshot, no round or hole is going to bring of what that snapshot shows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "audit/row_places.h"
#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

class StagedReader {
 public:
  // To be called in the snapshot's transaction, and after 42501 with kOperator: it takes the rights of
  // the ledger's owner. Changes settings of the transaction.
  [[nodiscard]] static Result<StagedReader> open(const Ledger& ledger,
                                                 std::map<std::int32_t, std::string> names);

  // Rows of staging, of all sources or of one. In order.
  [[nodiscard]] Result<void> read_staging(const RowPlaces::TakeStaged& take,
                                          std::optional<std::int32_t> source_id = {}) const;
  // What feed_N would give. An error of the table's leaves the transaction as it was.
  [[nodiscard]] Result<void> read_feed(std::int32_t source_id, bool in_rounds,
                                       const RowPlaces::TakeStaged& take) const;

 private:
  explicit StagedReader(const Ledger& ledger) : ledger_(&ledger) {}
  [[nodiscard]] Result<void> read(const std::string& function, const std::string& condition,
                                  bool in_rounds, const RowPlaces::TakeStaged& take) const;

  const Ledger* ledger_;
  std::map<std::int32_t, std::string> names_;
  // The round that is open or would begin; and the one after it, where one is open, up to now.
  std::string this_round_;
  std::optional<std::string> next_round_;
};

}  // namespace pgtally
