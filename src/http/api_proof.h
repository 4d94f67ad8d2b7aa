// Inclusion proofs, as GET proof/inclusion and a POST that waits give them.
#pragma once

#include "http/log_context.h"
#include "http/log_tree.h"
#include "pgtally/result.h"

namespace pgtally::http {

struct ProofRequest {
  LeafIndex id;       // below `size`
  TreeSize size;      // of a signed checkpoint
  bool json = false;  // else a .tlog-proof
  bool salt = false;  // with the entry's salt; needs the database
};

// The proof, verified. kReject if nothing was signed at that size.
[[nodiscard]] Result<Response> inclusion(LogContext& context, const LogHead& head,
                                         const ProofRequest& request, const Ledger* ledger);

}  // namespace pgtally::http
