// Taking a ledger out of its database, with all that it has put elsewhere: triggers on the users'
// tables, replication slots and publications, roles.
//
// Nothing is removed unless everything can be: what is in the database goes in one transaction, and
// slots and publications, which no transaction brings back, go right before its COMMIT. Signing key
// and guard are files of some host and not touched.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "capture/logical_store.h"
#include "ledger/ledger.h"
#include "pgtally/result.h"

namespace pgtally {

struct UninstallPlan {
  std::string script;                   // but for BEGIN and COMMIT, and for the streams
  std::vector<Stream> streams;          // whose slots and publications go as well
  std::vector<std::string> sources;     // that are not removed yet
  std::vector<std::string> roles;       // that init made: they go
  std::vector<std::string> left_roles;  // that it found, or of which that is not known
  std::uint64_t entries = 0;
};

// `ledger` may be one of an earlier version. kReject if objects outside of its schema depend on it,
// which would go with it; names them.
[[nodiscard]] Result<UninstallPlan> plan_uninstall(const Ledger& ledger);

// The statements that drop a stream's slot and publications, for its own database.
[[nodiscard]] Result<std::string> drop_script(const Stream& stream);

// kRetry while a service streams from a slot, or somebody holds a table for too long.
[[nodiscard]] Result<void> uninstall(const Ledger& ledger, const UninstallPlan& plan);

}  // namespace pgtally
