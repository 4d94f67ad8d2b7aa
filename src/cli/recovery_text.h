// What a diagnosis and what followed from it say, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "cli/json.h"
#include "ledger/registered.h"
#include "service/ending.h"
#include "service/recovery.h"

namespace pgtally::cli {

struct RecoveryView {
  std::string origin;
  std::string guard_file;
  std::string published;    // as the command line names it; may be empty
  std::string copy_option;  // "--published DIR", "--bundle FILE"
  std::string schema;
};

// What is signed, published and there; then what has happened; then the way on.
[[nodiscard]] std::string text_of(const Diagnosis& found, const RecoveryView& view);
[[nodiscard]] std::string text_of_state(const Diagnosis& found, const RecoveryView& view);
[[nodiscard]] std::string text_of_way_on(const Diagnosis& found, const RecoveryView& view);
[[nodiscard]] std::string way_on(const Diagnosis& found, const RecoveryView& view);

[[nodiscard]] json::object json_of(const Diagnosis& found, const RecoveryView& view);

// With the commands that add the old ledger's sources to the new one.
[[nodiscard]] std::string text_of(const Ending& done, const EndingRequest& request,
                                  const RecoveryView& view,
                                  const std::vector<RegisteredSource>& sources);

}  // namespace pgtally::cli
