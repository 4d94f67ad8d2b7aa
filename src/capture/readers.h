// The readers of a ledger's sources, as the registry has them now.
#pragma once

#include "ledger/reader.h"
#include "ledger/sweeper.h"

namespace pgtally {

// Connects to nothing but the ledger; see ReaderFactory.
[[nodiscard]] Result<Readers> make_readers(const Ledger& ledger, const SweepSchedule& sweeps = {});

}  // namespace pgtally
