// What the ledger knows of a source in another database: the newest row of table `capture`, and how
// what was read there gets into it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "ledger/stager.h"
#include "pgtally/result.h"

namespace pgtally {

struct RemoteProgress {
  std::int64_t id = 0;               // 0: there is none yet
  std::optional<std::int64_t> high;  // mode poll
  // Mode xid. A round is open while `upto` is set; the cursor stands behind the last row staged.
  std::string since;
  std::optional<std::string> upto;
  std::optional<std::string> cursor_xid;
  std::vector<std::string> cursor_key;
  bool has_foreign = false;  // rows of the rounds have to be looked up by their keys
  std::string server;        // the history that all this belongs to
  std::string server_lsn;
};

[[nodiscard]] Result<RemoteProgress> read_progress(const Ledger& ledger, std::int32_t source_id);

// One transaction of the ledger that holds the source's lock: what `work` does there is done together
// or not at all. `expected` is the progress that the work starts from (RemoteProgress::id), or nothing
// where any will do. False, and nothing was done, where another reader has gone on since.
[[nodiscard]] Result<bool> store(const Ledger& ledger, std::int32_t source_id,
                                 std::optional<std::int64_t> expected,
                                 const std::function<Result<void>()>& work);

// Leaves of `rows` those at these places, which count from 1 and ascend.
void keep(std::vector<StagedRow>& rows, const std::vector<std::int64_t>& places);
[[nodiscard]] std::vector<Bytes> keys_of(const std::vector<StagedRow>& rows);

}  // namespace pgtally
