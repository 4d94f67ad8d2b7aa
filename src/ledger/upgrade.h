// Bringing a ledger of an earlier schema version up to that of this program.
//
// Invariants
//   - one transaction under the ledger's lock: a ledger is of one version or of the other;
//   - afterwards its tables and functions are those that a new ledger would have;
//   - services of kOldestProgramVersion or later go on all the while; they wait for the lock once.
//
// A change of what is in sql/functions comes with a migration, an empty one if need be, whenever
// the program relies on it: the version is all that tells. Where a function's parameters or result
// change, a DROP of the old one stands before the new one, because CREATE OR REPLACE would leave
// both.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ledger/capture_mode.h"
#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

struct UpgradePlan {
  std::int32_t from = 0;
  std::vector<std::string> migrations;  // file names, in order; none if only functions are replaced
  std::vector<std::string> sources;     // whose capture functions are made anew
  std::vector<std::string> left_as_is;  // sources whose table cannot be read now, and why
  std::string script;                   // but for BEGIN and COMMIT
};

// `ledger` from Ledger::open_older(). The script refuses to run once version or registry have
// changed. kOperator if the ledger is newer than this program, if its owner's rights are out of
// reach, or if a role that it granted to is gone.
[[nodiscard]] Result<UpgradePlan> plan_upgrade(const Ledger& ledger, CaptureModes modes);

// Plans and upgrades under the lock. Gives way to transactions that hold the registry, as whoever
// appends does until he commits, and tries again; kRetry if they do so for too long, or if whether
// it was committed is not known.
[[nodiscard]] Result<UpgradePlan> upgrade_ledger(const Ledger& ledger, CaptureModes modes);

}  // namespace pgtally
