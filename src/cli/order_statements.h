// What an order proof proves and what it does not, a sentence each, in the same words for people and
// for programs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ledger/first_cover.h"
#include "pgtally/verify.h"

namespace pgtally::cli {

// What only the ledger's database knows: the first checkpoint that is kept over each entry. The file
// holds no more than the one checkpoint that it proves both under.
struct OrderCover {
  std::optional<FirstCover> first;
  std::optional<FirstCover> second;
};

struct OrderStatements {
  std::vector<std::string> proves;
  std::vector<std::string> does_not_prove;
};

// `cover` may be null.
[[nodiscard]] OrderStatements statements_of(const OrderVerdict& verdict, const OrderCover* cover);

// "2026-11-22 14:03:27.118204 UTC by w1.example"
[[nodiscard]] std::string cosigned_when(const Cosigned& one);

}  // namespace pgtally::cli
