// Key and row hash of one row, in expressions that PostgreSQL prepares at the least cost.
//
// The text that hashes most rows, SourceText::content, evaluates each value once and makes each length,
// name and value by functions of its own. Preparing these costs more than evaluating them where a
// statement hashes one row. Here the bytes are put together as text in bytea's escape format, with a
// fraction of the functions:
//   - only of types whose output texts hold no backslash, and for lengths in one byte, at most 91 bytes;
//     texts stand beside that as they are;
//   - where a value is null though its column was not when this was made, evaluating it is an error;
//   - so is preparing it when a column has another type, unless its texts are such, too.
// After any error the other text has to be used. The bytes are the same.
#pragma once

#include <optional>
#include <string>

#include "ledger/catalog.h"
#include "pgtally/definition.h"

namespace pgtally {

struct SingleRowText {
  std::string key;      // bytea, from t
  std::string content;  // bytea, from t
  std::string moves;    // whether NEW has another key than OLD
  std::string check;    // a condition that is true, and costs nothing once it was parsed
};

// Nothing if the key or a covered column is of a type that is not fit for this.
[[nodiscard]] std::optional<SingleRowText> single_row_text(const SourceDefinition& definition,
                                                           const TableShape& shape);

}  // namespace pgtally
