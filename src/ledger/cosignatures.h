// What witnesses have said about the ledger's checkpoints.
//
// A cosignature is stored after it was verified; whoever reads it back verifies it again by his own
// policy, so the database is trusted for none of this. A checkpoint is *witnessed* once the policy of
// the service that asks the witnesses is met.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "ledger/ledger.h"
#include "ledger/tree_head.h"
#include "pgtally/note.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// The stored checkpoint of that size with the lines of all witnesses that have cosigned it so far, at
// most as many as a note may have. kReject if there is no checkpoint of that size.
[[nodiscard]] Result<std::string> cosigned_checkpoint(const Ledger& ledger, TreeSize size);

// Keeps what is there if the witness has cosigned that size before. `timestamp`: in seconds since
// 1970, as the witness says.
[[nodiscard]] Result<void> store_cosignature(const Ledger& ledger, TreeSize size,
                                             const NoteSignature& signature,
                                             std::uint64_t timestamp);

// The largest size that the witness has cosigned, as far as the ledger knows; 0 if there is none.
[[nodiscard]] Result<TreeSize> last_cosigned(const Ledger& ledger, const VerifierKey& witness);

[[nodiscard]] Result<void> mark_witnessed(const Ledger& ledger, TreeSize size);
[[nodiscard]] Result<std::optional<StoredCheckpoint>> newest_witnessed(const Ledger& ledger);

// The newest checkpoint that is witnessed, or has waited for its witnesses as long as `patience`, so
// that at most that much lies between what is signed and what is shown. With no patience, the newest.
[[nodiscard]] Result<std::optional<StoredCheckpoint>> checkpoint_to_show(
    const Ledger& ledger, std::chrono::milliseconds patience);

// The checkpoint to prove an entry under: the newest that is witnessed, if it covers the entry, or
// else the newest. With its cosignatures. Nothing if none covers it.
[[nodiscard]] Result<std::optional<StoredCheckpoint>> checkpoint_to_prove_under(
    const Ledger& ledger, LeafIndex id);

}  // namespace pgtally
