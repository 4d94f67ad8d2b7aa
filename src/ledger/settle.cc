#include "ledger/settle.h"

#include "postgres/transaction.h"

namespace pgtally {

Result<std::optional<Settlement>> settle(const Ledger& ledger) {
  Settlement settlement;
  while (true) {
    TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
    TRY_VOID(ledger.execute("SELECT pgtally.lock_ledger()"));
    TRY(const auto rows,
        ledger.query("SELECT moved, done, recorded, waiting, sweeps FROM pgtally.settle_step()"));
    TRY(const bool moved, rows.get<bool>(0, 0));
    TRY(const bool done, rows.get<bool>(0, 1));
    TRY(const auto recorded, rows.get<std::int64_t>(0, 2));
    TRY(const auto waiting, rows.get<std::int64_t>(0, 3));
    TRY(const auto sweeps, rows.get<std::int64_t>(0, 4));
    const pg::CommitResult result = transaction.commit();
    if (result.outcome != pg::CommitOutcome::kCommitted) {
      return retry("a step of settling in another cluster was not committed: " + result.reason);
    }
    settlement.recorded += static_cast<std::uint64_t>(recorded);
    settlement.waiting = static_cast<std::uint64_t>(waiting);
    settlement.sweeps = static_cast<std::uint64_t>(sweeps);
    // Another instance may have done the last step between two of ours.
    if (!moved && settlement.recorded == 0) return std::optional<Settlement>();
    if (done) return std::optional<Settlement>(settlement);
  }
}

}  // namespace pgtally
