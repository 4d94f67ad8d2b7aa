// The reader of one source of mode poll or xid in another database.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "capture/remote_table.h"
#include "ledger/reader.h"

namespace pgtally {

struct RemoteSweeps {
  // Of sources whose new rows nothing else finds. 0: on demand, and when the reader is new.
  std::chrono::seconds finding{60};
  // Of others, for keys that were handed out long before they were used. 0: on demand only.
  std::chrono::seconds thorough{3600};
};

[[nodiscard]] std::unique_ptr<Reader> make_remote_reader(RemoteSource source,
                                                         const RemoteSweeps& sweeps);

}  // namespace pgtally
