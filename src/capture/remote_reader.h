// The reader of one source of mode poll or xid in another database.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "capture/remote_table.h"
#include "ledger/reader.h"
#include "ledger/sweeper.h"

namespace pgtally {

[[nodiscard]] std::unique_ptr<Reader> make_remote_reader(RemoteSource source,
                                                         const SweepSchedule& sweeps);

}  // namespace pgtally
