// Publishing a ledger into a directory: client/publisher.h, fed from the database.
#pragma once

#include <chrono>
#include <string>

#include "client/publisher.h"
#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "service/outlets.h"

namespace pgtally {

// `patience`: that checkpoints have for their witnesses before they are published without them.

// Once, everything under the newest checkpoint that may be shown.
[[nodiscard]] Result<PublishReport> publish_ledger(const Ledger& ledger,
                                                   const std::string& directory,
                                                   std::chrono::milliseconds patience = {});

// For as long as the service runs.
[[nodiscard]] Outlet publishing_into(const std::string& directory,
                                     std::chrono::milliseconds patience);

}  // namespace pgtally
