// Sources in another database than the ledger's, one of each mode that can be there.
#pragma once

#include <string>

#include "clusters.h"

namespace pgtally::test {

// Tables far_xid, far_poll and far_logical, whose key is the column id.
void create_far_tables(const Server& there);
// Makes them sources, in the modes of their names.
void add_far_sources(const Server& ledger, const std::string& conninfo_there);
// So many rows into each.
void write_far(const Server& there, int rows);
// What the service does at once with what is there.
[[nodiscard]] Result<OnceReport> run_far_once(const ClusterLedger& ledger);
// … on a server that took the place of the ledger's own.
[[nodiscard]] Result<OnceReport> run_far_once_on(const Server& server, const ClusterLedger& ledger);

// Rows of a table that are not in the log exactly once; "" if there is none. Rows that were lost with
// their server are entries without a row, which is what they are.
[[nodiscard]] std::string not_once(const Server& rows, const Server& ledger,
                                   const std::string& table);
[[nodiscard]] std::string far_not_once(const Server& there, const Server& ledger);

}  // namespace pgtally::test
