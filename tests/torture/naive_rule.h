// What to compare with: the same ledger, in which the next rows are those whose id is above the
// last id that was taken.
#pragma once

#include <string>
#include <vector>

namespace pgtally::torture {

// A source of the same name in schema public, with a key named id.
struct NaiveTable {
  std::string name;
  bool has_xid = false;
  std::vector<std::string> columns;  // that are covered, in ascending order
};

// Puts it in the place of pending(), for append_only_log and these.
void install_naive_rule(const std::string& conninfo, const std::vector<NaiveTable>& tables);

}  // namespace pgtally::torture
