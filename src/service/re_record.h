// Entries that were published and are gone from the database, recorded again from the published copy:
// the same bytes under the same numbers, so that tree and root are those that were signed.
//
// Invariants
//   - one transaction, under the ledger's lock, past the same guards as every batch: all of the entries
//     are there in the end, or none is;
//   - nothing is kept that was not shown to lie under the copy's signed checkpoint, and the tree has its
//     root before the COMMIT;
//   - nothing is signed: the next cycle finds the head, asks the guard and signs, as ever.
//
// Capture is told what was recorded (sql/functions/recovery.sql): rows that the entries stand for are not
// recorded twice, rows that were captured and lost again are found by sweeps.
//
// What a copy does not hold stays lost: the blinding secret of a source that was added after the backup,
// so that such a source comes back as one that was removed; and data that `append` kept.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "service/recovery.h"

namespace pgtally {

struct ReRecorded {
  std::uint64_t entries = 0;
  TreeSize size;
  std::vector<std::string> lost_sources;  // names of those that came back as removed
};

// `found` says that the database is behind the copy (Ground::kBehind). kRetry if the log has moved on
// since, or if whether it was committed is not known; kReject if the copy lacks a document that an entry
// needs; kTampered if it does not fit its checkpoint. Nothing was changed then.
[[nodiscard]] Result<ReRecorded> re_record(const Ledger& ledger, const PublishedCopy& copy,
                                           const Diagnosis& found,
                                           const RecoveryProgress& progress);

}  // namespace pgtally
