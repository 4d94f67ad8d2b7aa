#include "ledger/table_lock.h"

#include "postgres/errors.h"

namespace pgtally {

std::optional<Error> table_locked(const Ledger& ledger) {
  if (ledger.connection().last_sqlstate() != pg::kLockNotAvailable) return {};
  return operator_error("its table is locked by another transaction",
                        "It goes on when that has ended; pg_locks says who it is.");
}

}  // namespace pgtally
