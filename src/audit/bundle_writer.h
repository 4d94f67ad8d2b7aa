// Writes a log into a bundle: for an auditor who sees nothing of the ledger.
//
// The bundle ends at the newest checkpoint, because nothing behind it is signed. Made beside, synced,
// read back and then renamed, so that under `path` stands a whole one or what was there before. Memory
// does not grow with the log, but for 32 bytes a document.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "audit/audited_log.h"
#include "format/audit_bundle.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct BundleRequest {
  BundleAbout about;
  // By ascending name. Of those that say `salts` the log has to have them.
  std::vector<BundleSource> sources;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};  // entries
};

struct BundleReport {
  TreeSize size;
  Hash root;
  std::uint64_t checkpoints = 0;
  std::uint64_t documents = 0;
  std::uint64_t salts = 0;
  std::uint64_t bytes = 0;
};

// kRetry if nothing was signed yet; kTampered if the log is not what its newest checkpoint says, since
// a bundle of it would accuse whoever made it; kOperator if the file cannot be written.
[[nodiscard]] Result<BundleReport> write_bundle(AuditedLog& log, const BundleRequest& request,
                                                const std::string& path);

}  // namespace pgtally
