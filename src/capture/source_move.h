// Sources whose database is to be reached in another way from now on: it went to another host, its user
// or password changed, or a standby took its place.
//
// What is recorded, and how far each source has come, stays as it is. What the readers find at the new
// place is taken for the same table: where transaction ids, keys or the replication slot are not those of
// before, they notice and compare it with the log, as after any failover.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/registry.h"
#include "pgtally/result.h"
#include "postgres/conninfo.h"

namespace pgtally {

struct SourceMove {
  std::int32_t endpoint_id = 0;
  std::vector<SourceInfo> sources;     // all that are reached there
  std::string from;                    // its place
  std::string from_conninfo;           // may hold a password
  std::optional<std::int32_t> stream;  // of those of mode logical
  pg::Endpoint to;
};

// Connects to where `uri` leads. kReject for a source of the ledger's own database, and for a URI that
// leads there, or to another replication slot of the ledger.
[[nodiscard]] Result<SourceMove> plan_move(const Ledger& ledger, const SourceInfo& source,
                                           const std::string& uri);

// The statements, but for BEGIN and COMMIT; without any password.
[[nodiscard]] Result<std::string> move_script(const Ledger& ledger, const SourceMove& move);

// kOperator if a table is not at the new place as its definition says: then nothing was changed.
// Gives back what is left at the old one and has to be removed by hand; mostly nothing.
[[nodiscard]] Result<std::string> move_sources(const Ledger& ledger, const SourceMove& move);

}  // namespace pgtally
