#include "cli/order_statements.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/terminal/numbers.h"
#include "cli/terminal/text.h"
#include "cli/verdict_text.h"
#include "format/times.h"

namespace pgtally::cli {
namespace {

const Cosigned& earliest(const std::vector<Cosigned>& cosigned) {
  return *std::ranges::min_element(cosigned, {}, &Cosigned::timestamp);
}

std::string entry_number(const Verdict& verdict) {
  return "entry " + with_thousands(verdict.id.value);
}

// Whoever has a checkpoint over the first entry alone knows more than the order of two places.
void add_checkpoint_between(const OrderVerdict& verdict, std::vector<std::string>& proves) {
  const std::string first = entry_name(verdict.first);
  const std::string second = entry_name(verdict.second);
  const TreeSize cover = first_cover(verdict.first);
  if (cover.value <= verdict.second.id.value) {
    proves.push_back(fmt::format(
        "Whoever has the checkpoint of {} entries knows that {} was recorded when {} was not yet.",
        with_thousands(cover.value), first, second));
  }
  const auto seen = first_witnessed(verdict.first);
  if (seen && seen->size.value <= verdict.second.id.value) {
    proves.push_back(fmt::format("A log of {} entries, with {} and without {}, was cosigned {}.",
                                 with_thousands(seen->size.value), first, second,
                                 cosigned_when(earliest(seen->cosigned_by))));
  }
}

}  // namespace

std::string cosigned_when(const Cosigned& one) {
  return time_for_people(time_of_seconds(one.timestamp)) + " by " + printable(one.witness);
}

TreeSize first_cover(const Verdict& verdict) {
  return verdict.earlier.empty() ? verdict.size : verdict.earlier.front().checkpoint.size;
}

std::optional<WitnessedCover> first_witnessed(const Verdict& verdict) {
  for (const VerifiedCheckpoint& one : verdict.earlier) {
    if (!one.cosigned_by.empty()) return WitnessedCover{one.checkpoint.size, one.cosigned_by};
  }
  if (verdict.cosigned_by.empty()) return std::nullopt;
  return WitnessedCover{verdict.size, verdict.cosigned_by};
}

OrderStatements statements_of(const OrderVerdict& verdict) {
  const Verdict& a = verdict.first;
  const Verdict& b = verdict.second;
  OrderStatements statements;
  statements.proves.push_back(
      fmt::format("{} has its place in the log before {}: {} before {}, under one checkpoint of {} "
                  "entries.",
                  entry_name(a), entry_name(b), entry_number(a), entry_number(b),
                  with_thousands(a.size.value)));
  if (!a.cosigned_by.empty()) {
    statements.proves.push_back("Both were in the log when that checkpoint was cosigned, " +
                                cosigned_when(earliest(a.cosigned_by)) + ".");
  }
  add_checkpoint_between(verdict, statements.proves);

  if (verdict.same_batch) {
    statements.does_not_prove.emplace_back(
        "that either was there before the other: both came in one batch, and the order within a "
        "batch is that of the times that their sources claim.");
  }
  statements.does_not_prove.emplace_back(
      "which of the two happened or was written first: recorded before is not happened before.");
  statements.does_not_prove.emplace_back(
      a.cosigned_by.empty()
          ? "when they were recorded: the times are the operator's word, and no witness that is "
            "trusted here has cosigned."
          : "when exactly they were recorded: the times are the operator's word, but for what the "
            "witness says.");
  return statements;
}

}  // namespace pgtally::cli
