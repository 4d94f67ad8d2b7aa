// Puts rows that a reader brought into staging.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ledger/ledger.h"
#include "pgtally/entry.h"
#include "pgtally/result.h"

namespace pgtally {

struct StagedRow {
  std::int32_t source_id = 0;
  std::uint32_t definition = 0;
  Operation operation = Operation::kInsert;
  Bytes key;  // as entries have it; empty of a truncate
  std::string source_position;
  Time source_time;
  Hash content;  // before blinding; zero where it is not known (delete, truncate)
};

// Stages the rows in their order, by one COPY. In a transaction that the caller began, together with
// the progress that they mean. Takes the rights of the ledger's owner.
[[nodiscard]] Result<void> stage(const Ledger& ledger, std::span<const StagedRow> rows);

}  // namespace pgtally
