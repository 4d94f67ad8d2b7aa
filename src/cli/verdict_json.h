// What a verified proof says, as `verify --json` prints it.
#pragma once

#include "cli/json.h"
#include "cli/order_statements.h"
#include "format/log_end.h"
#include "pgtally/verify.h"

namespace pgtally::cli {

[[nodiscard]] json::object json_of(const Verdict& verdict);
// With what the ledger's database knows of the two, where that is at hand.
[[nodiscard]] json::object json_of(const OrderVerdict& verdict, const CoverTimes* times = nullptr);
[[nodiscard]] json::object json_of(const LogEnd& end);
// Members cosigned_by and cosigned_at.
void add_witnesses(json::object& object, const std::vector<Cosigned>& cosigned_by);

}  // namespace pgtally::cli
