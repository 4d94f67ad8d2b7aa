// Reads processed_log back as the entries that the tree commits to.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "ledger/ledger.h"
#include "pgtally/entry.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// Names of the sources, by id. A new source is looked up when its id is first met.
class SourceNames {
 public:
  explicit SourceNames(const Ledger& ledger) : ledger_(&ledger) {}

  // Refreshes all names. Not to be called while a COPY runs.
  [[nodiscard]] Result<void> load();
  // kTampered for an id that is not in the registry.
  [[nodiscard]] Result<std::string_view> name(std::int32_t source_id) const;
  [[nodiscard]] bool knows(std::int32_t source_id) const { return names_.contains(source_id); }

 private:
  const Ledger* ledger_;
  std::unordered_map<std::int32_t, std::string> names_;
};

// Streams the entries [from, to) in order, encoded. Memory does not grow with the range; the server
// reads ahead while `take` works. The bytes are valid during the call. kTampered if an id is
// missing or a row cannot be an entry.
using EntrySink = std::function<Result<void>(LeafIndex id, ByteView entry)>;
[[nodiscard]] Result<void> read_entries(const Ledger& ledger, LeafIndex from, LeafIndex to,
                                        const EntrySink& take);

// One entry, encoded. kReject if it is beyond the log.
[[nodiscard]] Result<Bytes> read_entry(const Ledger& ledger, LeafIndex id);

}  // namespace pgtally
