// What an order proof proves and what it does not, a sentence each, in the same words for people and
// for programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgtally/verify.h"

namespace pgtally::cli {

// What only the ledger's database knows: when, by the operator's clock, the first checkpoint over each
// entry was signed.
struct CoverTimes {
  Time first;
  Time second;
};

// Of the checkpoints in a proof, the first that covers its entry.
[[nodiscard]] TreeSize first_cover(const Verdict& verdict);

// And the first that witnesses have cosigned whom the verifier trusts.
struct WitnessedCover {
  TreeSize size;
  std::vector<Cosigned> cosigned_by;
};
[[nodiscard]] std::optional<WitnessedCover> first_witnessed(const Verdict& verdict);

struct OrderStatements {
  std::vector<std::string> proves;
  std::vector<std::string> does_not_prove;
};

[[nodiscard]] OrderStatements statements_of(const OrderVerdict& verdict);

// "2026-11-22 14:03:27.118204 UTC by w1.example"
[[nodiscard]] std::string cosigned_when(const Cosigned& one);

}  // namespace pgtally::cli
