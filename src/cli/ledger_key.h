// The verifier key of the ledger in the database.
#pragma once

#include <string>

#include "cli/context.h"
#include "pgtally/result.h"

namespace pgtally::cli {

// kOperator if there is no ledger in the schema.
[[nodiscard]] Result<std::string> ledger_vkey(Context& context);

}  // namespace pgtally::cli
