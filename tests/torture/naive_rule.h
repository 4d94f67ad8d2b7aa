// What to compare with: the same ledger, in which the next rows are those whose id is above the
// last id that was taken.
#pragma once

#include <string>

namespace pgtally::torture {

// Puts it in the place of pending().
void install_naive_rule(const std::string& conninfo);

}  // namespace pgtally::torture
