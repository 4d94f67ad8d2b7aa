// The fast road of a batch: pending() out in binary, numbered and hashed here, COPY in in binary.
#pragma once

#include "ledger/integrator.h"
#include "ledger/ledger.h"
#include "ledger/step.h"

namespace pgtally {

// Part of the caller's transaction, which holds the ledger's lock. Integrates what others have
// sequenced, then takes the next rows; how many there were. Step by step the same as
// process_next_batch() in sql/functions/batch.sql.
[[nodiscard]] Result<std::uint64_t> take_fast_road(const Ledger& ledger, std::int32_t max_rows,
                                                   Integrator& integrator, StepObserver* observer);

}  // namespace pgtally
