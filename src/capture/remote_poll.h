// Mode poll with an integer key in another database: the rule of sql/functions/holes.sql over the
// wire. Rows above the highest key are new; keys that were skipped below it are looked into again until
// everybody who could fill them has ended there.
#pragma once

#include "capture/remote_progress.h"
#include "capture/remote_table.h"
#include "ledger/capture_mode.h"
#include "ledger/reader.h"

namespace pgtally {

// Leaves out the rows that are there now: the highest key is taken for recorded. Transactions that run
// now may still fill the gaps that are among the last keys before it.
[[nodiscard]] Result<CaptureMode::Beginning> skip_remote_keys(pg::Connection& there,
                                                              const SourceText& source);

// If the server's history is another one than before, a sweep over all begins: keys may have been handed
// out twice, or the highest one may not have come along.
[[nodiscard]] Result<void> settle_keys(const Ledger& ledger, RemoteTable& table);

// A page of the rows that are new. Works from a standby, too, but gives up no hole there.
[[nodiscard]] Result<ReaderStep> read_new_keys(const Ledger& ledger, RemoteTable& table);

}  // namespace pgtally
