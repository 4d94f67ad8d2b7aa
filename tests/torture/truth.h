// What was committed, as those who wrote it know it: change by change, whatever became of the row.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "pgtally/entry.h"
#include "pgtally/types.h"

namespace pgtally::torture {

// One committed change. The versions of a key are distinct and rise with its changes, a delete
// included, so that each change can be told from every other.
struct ChangeId {
  std::string source;
  std::int64_t key = 0;
  std::int64_t version = 1;
  auto operator<=>(const ChangeId&) const = default;
};

struct Change {
  Operation operation = Operation::kInsert;
  Hash content;  // H of the row that was written; of a delete, of the row that went
};

struct Truth {
  std::map<ChangeId, Change> changes;
  // For each writer, changes that have to stand in this order in the log, source by source.
  std::vector<std::vector<ChangeId>> in_order;
  std::set<std::string> polled;  // sources whose keys rise within a batch
  std::uint64_t in_doubt = 0;    // changes whose outcome had to be looked up

  // Throws if there is such a change already.
  void add(const ChangeId& id, const Change& change);
};

}  // namespace pgtally::torture
