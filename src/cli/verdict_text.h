// What a verified proof says, in words. Everything that came out of a proof file is shown harmless.
#pragma once

#include <string>

#include "cli/order_statements.h"
#include "cli/terminal/output.h"
#include "format/log_end.h"
#include "pgtally/verify.h"

namespace pgtally::cli {

// "payment 42", "debian_package name=bash version=5.2", "definition 0 of payment".
[[nodiscard]] std::string entry_name(const Verdict& verdict);

// Blocks of lines, each with its newline.
[[nodiscard]] std::string text_of(const Verdict& verdict, const Stream& stream);
// With what the ledger's database knows of the two, where that is at hand.
[[nodiscard]] std::string text_of(const OrderVerdict& verdict, const Stream& stream,
                                  const CoverTimes* times = nullptr);
[[nodiscard]] std::string text_of(const LogEnd& end, const Stream& stream);

}  // namespace pgtally::cli
