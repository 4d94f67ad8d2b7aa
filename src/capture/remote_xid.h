// Mode xid in another database: the rule of sql/functions/rounds.sql over the wire. Each such source
// has rounds of its own, between snapshots of its own server.
//
// The snapshots are taken by statements that have no transaction id, so that none has to be kept
// beside them. Before one is stored, it is made durable there.
#pragma once

#include <string>

#include "capture/remote_progress.h"
#include "capture/remote_table.h"
#include "ledger/capture_mode.h"
#include "ledger/reader.h"

namespace pgtally {

// What is visible there now is the first sweep's, or nobody's, and all that comes later the rounds'.
[[nodiscard]] Result<CaptureMode::Beginning> begin_remote_rounds(pg::Connection& there,
                                                                 bool skip_existing);

// That the progress belongs to the history which the server has now. If not, because the server is
// another one, was restored, or has gone back in time, everything that is there is left to a sweep,
// which knows by their keys what is recorded, and rounds begin anew.
[[nodiscard]] Result<void> settle_rounds(const Ledger& ledger, RemoteTable& table);

// The next page of the open round, or the first one of a new round.
[[nodiscard]] Result<ReaderStep> read_round(const Ledger& ledger, RemoteTable& table);

}  // namespace pgtally
