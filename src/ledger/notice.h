// Notices: entries of the log about the ledger's own life.
#pragma once

#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

struct Notice {
  std::string event;                 // one of those in docs/formats.md, section Notices
  std::vector<std::string> sources;  // that it is about, by name
  std::string detail;                // for people
};

// Puts it into the log, in a transaction that the caller began; takes the ledger's lock, and so has
// to come before anything else that the transaction reads.
[[nodiscard]] Result<void> record_notice(const Ledger& ledger, const Notice& notice);

}  // namespace pgtally
