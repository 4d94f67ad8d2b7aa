// Makes a bundle of a ledger, from one snapshot of its database.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/bundle_writer.h"
#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

struct BundleOptions {
  // Sources whose salts go with it; nothing: all that are blinded.
  std::optional<std::vector<std::string>> salts;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

struct LedgerBundle {
  BundleReport report;
  std::vector<BundleSource> sources;  // as the bundle has them
};

// kReject for a source that is not there or has no salts. Needs the rights of the ledger's owner.
// Otherwise as write_bundle().
[[nodiscard]] Result<LedgerBundle> bundle_ledger(const Ledger& ledger, const BundleOptions& options,
                                                 const std::string& path);

}  // namespace pgtally
