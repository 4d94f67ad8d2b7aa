// Proofs for entries of the log, made from the database and checked before they are handed out.
//
// Everything is proved under a stored, signed checkpoint that covers what is asked: the newest that is
// witnessed, or else the newest; with the cosignatures that it has.
// What comes back has been verified as a stranger would (pgtally/verify.h); kTampered if it did not.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/registry.h"
#include "pgtally/policy.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// The entries of a row, oldest first. `key` has a value for each key column, in order, or
// column=value for each. Values are brought into the form that the database prints. kReject if there
// are none.
[[nodiscard]] Result<std::vector<LeafIndex>> find_entries(const Ledger& ledger,
                                                          const SourceInfo& source,
                                                          const std::vector<std::string>& key);

// One entry, as the commands name it: an id, or SOURCE:KEY with the columns of the key separated by
// commas. The latest entry of the key.
[[nodiscard]] Result<LeafIndex> find_entry(const Ledger& ledger, const std::string& name);

// The name of the source that an entry belongs to. kReject beyond the end of the log.
[[nodiscard]] Result<std::string> source_of_entry(const Ledger& ledger, LeafIndex id);

// A .tlog-proof. With `with_row`, it discloses the row as it is in its table now, which has to be
// what was recorded, and the definition under which it was hashed.
[[nodiscard]] Result<std::string> prove_entry(const Ledger& ledger, LeafIndex id, bool with_row);

// An .order-proof: the one with the lower id comes first, in whichever order they are given. With the
// earlier checkpoints of first_cover.h. `policy` may be null.
[[nodiscard]] Result<std::string> prove_order(const Ledger& ledger, LeafIndex a, LeafIndex b,
                                              bool with_rows, const Policy* policy = nullptr);

struct ConsistencyProof {
  TreeSize from;
  TreeSize to;
  Hash root_from;
  Hash root_to;
  std::vector<Hash> path;
};

// Between any two sizes up to that of the newest tree head.
[[nodiscard]] Result<ConsistencyProof> prove_log_consistency(const Ledger& ledger, TreeSize from,
                                                             TreeSize to);

}  // namespace pgtally
