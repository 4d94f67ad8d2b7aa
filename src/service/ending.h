// The end of a log that cannot be gone on with honestly, and the one that follows it.
//
// Where entries that were signed are gone for good, or the database holds something else than what was
// signed, any further checkpoint of that log would contradict one that somebody may have. So its key
// signs one last thing, which is no checkpoint: that the log has ended, with which head, and which log
// goes on (format/log_end.h). The first entry of that log, after its own definition, is a notice which
// names the old head and the statement by its hash.
//
// In this order, each step durable before the next, so that whatever is interrupted is gone on with by
// calling it again: the guard says for ever that the log has ended; the statement is written; capture for
// the old ledger is paused; the new ledger is founded.
#pragma once

#include <string>
#include <vector>

#include "ledger/schema.h"
#include "service/founding.h"
#include "service/recovery.h"

namespace pgtally {

struct EndingRequest {
  std::string state_directory;
  std::string new_origin;
  std::string new_schema;
  Roles roles = Roles::kCreate;
  std::string reason;          // one line, goes into the statement
  std::string statement_file;  // made, never overwritten with another statement
};

struct Ending {
  SignedSize head;  // the last of the old log
  Founding founded;
  std::vector<std::string> paused;  // sources of the old ledger
};

// kOperator if this host has not key and guard of the old log; kReject for a name or schema that is
// taken, before anything is done.
[[nodiscard]] Result<Ending> end_and_begin(const Ledger& ledger, const Diagnosis& found,
                                           const EndingRequest& request);

}  // namespace pgtally
