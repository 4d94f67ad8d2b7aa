// The log, entry by entry, against what the writers know that they committed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "torture/truth.h"

namespace pgtally::torture {

struct Counts {
  std::uint64_t committed = 0;     // changes
  std::uint64_t entries = 0;       // in the log, definitions and notices included
  std::uint64_t missed = 0;        // committed and not in the log
  std::uint64_t doubled = 0;       // more than once in the log
  std::uint64_t phantom = 0;       // in the log, and nothing was ever committed under its key
  std::uint64_t changed = 0;       // with another operation or content than was committed
  std::uint64_t gaps = 0;          // ids or ordinals that are not one more than the one before
  std::uint64_t out_of_order = 0;  // see below

  Counts& operator+=(const Counts& other);
  [[nodiscard]] bool is_clean() const {
    return missed + doubled + phantom + changed + gaps + out_of_order == 0;
  }
};

struct Comparison {
  std::map<std::string, Counts> by_source;
  Counts total;
  std::vector<std::string> examples;

  [[nodiscard]] bool is_clean() const { return total.is_clean(); }
};

// Order: the changes of one key stand in that of their versions; those of one writer in the order in
// which he made them, whatever batches they came by; and in sources that are polled, keys rise within
// each batch (a key that was a hole may come batches later).
[[nodiscard]] Comparison compare(const Ledger& ledger, const Truth& truth);

// How many of the writers' changes the log has by now.
[[nodiscard]] std::uint64_t changes_in_log(const Ledger& ledger);

// The sum; with `each_source`, a table.
void print(const Comparison& comparison, bool each_source = false);

}  // namespace pgtally::torture
