// The log, row by row, against what the writers know that they committed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "torture/workload.h"

namespace pgtally::torture {

struct Comparison {
  std::uint64_t entries = 0;       // in the log, definitions included
  std::uint64_t committed = 0;     // rows
  std::uint64_t missed = 0;        // committed and not in the log
  std::uint64_t doubled = 0;       // more than once in the log
  std::uint64_t phantom = 0;       // in the log and never committed
  std::uint64_t changed = 0;       // with another content hash than that of what was written
  std::uint64_t gaps = 0;          // ids or ordinals that are not one more than the one before
  std::uint64_t out_of_order = 0;  // see below
  std::vector<std::string> examples;

  [[nodiscard]] bool is_clean() const {
    return missed + doubled + phantom + changed + gaps + out_of_order == 0;
  }
};

// Order: in append_only_log and event, the rows of one writer stand in the order in which he wrote
// them, whatever batches they came by. In reading, which is polled, keys rise within each batch; a
// key that was a hole may come batches later.
[[nodiscard]] Comparison compare(const Ledger& ledger, const Truth& truth);

// How many of the writers' rows the log has by now.
[[nodiscard]] std::uint64_t rows_in_log(const Ledger& ledger);

void print(const Comparison& comparison);

}  // namespace pgtally::torture
