// The fast road of a batch: pending() out in binary, numbered and hashed here, COPY in in binary.
#pragma once

#include "ledger/integrator.h"
#include "ledger/ledger.h"
#include "ledger/step.h"

namespace pgtally {

struct Taken {
  std::uint64_t rows = 0;
  bool may_have_more = false;  // some feed was perhaps cut off
};

// Part of the caller's transaction, which holds the ledger's lock. Integrates what others have
// sequenced, then takes the next rows. Step by step the same as process_next_batch() in
// sql/functions/batch.sql.
[[nodiscard]] Result<Taken> take_fast_road(const Ledger& ledger, std::int32_t max_rows,
                                           Integrator& integrator, StepObserver* observer);

}  // namespace pgtally
