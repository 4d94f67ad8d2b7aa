// Publishing a ledger into a directory: client/publisher.h, fed from the database.
#pragma once

#include <chrono>
#include <string>

#include "client/publisher.h"
#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "service/outlets.h"

namespace pgtally {

// Once, everything under the newest checkpoint.
[[nodiscard]] Result<PublishReport> publish_ledger(const Ledger& ledger,
                                                   const std::string& directory);

// For as long as the service runs. `patience`: that checkpoints have for their witnesses.
[[nodiscard]] Outlet publishing_into(const std::string& directory,
                                     std::chrono::milliseconds patience);

}  // namespace pgtally
