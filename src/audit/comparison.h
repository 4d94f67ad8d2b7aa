// The rows of one source held against the last states of its keys, partition by partition.
//
//   Comparison comparison(states, memory);
//   for each row of the table:  comparison.add(row)
//   comparison.run(shape_of, found)   as often as one likes
//
// Whether a difference accuses anybody is for the caller to say: see row_audit.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "audit/key_states.h"
#include "audit/partition_file.h"
#include "audit/row_stream.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

struct Difference {
  enum class Kind {
    kChanged,     // the row's content is not that of the state
    kMissing,     // the state is living, and there is no row
    kUnrecorded,  // there is a row, and no state, or that of a delete
    kDuplicate,   // a second row of the same key
    kRepeated,    // no row: an entry inserted a key that was living; `before`, `insert`
  };
  Kind kind = Kind::kChanged;
  KeyHash key;
  const KeyState* state = nullptr;  // null for a row without any
  const TableRow* row = nullptr;    // null where it is missing
  // Of the row, under the definition of the state, blinded as the state is; nothing where it has none.
  std::optional<Hash> content;
  LeafIndex before;
  LeafIndex insert;
};

class Comparison {
 public:
  // `states` has to live longer. `salts`: what the log publishes of this source can be compared with
  // rows; otherwise keys alone are. What is staged can be in either case. `salt_of` gives those that are
  // not kept with the states.
  using SaltOf = std::function<Result<Hash>(LeafIndex id)>;
  Comparison(KeyStates& states, std::size_t memory, const std::string& directory, bool salts,
             SaltOf salt_of = {});

  [[nodiscard]] Result<void> add(const TableRow& row);
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

  // Calls `found` for each difference; what it is given is valid during the call.
  // `shape_of`: which of a row's contents is that under a definition, if any.
  using Found = std::function<Result<void>(const Difference&)>;
  using ShapeOf = std::function<std::optional<std::size_t>(std::uint32_t definition)>;
  [[nodiscard]] Result<void> run(const ShapeOf& shape_of, const Found& found);

  // After run(): those that living keys were recorded under last.
  [[nodiscard]] const std::set<std::uint32_t>& living_definitions() const { return definitions_; }

 private:
  [[nodiscard]] Result<void> compare_row(const ShapeOf& shape_of, KeyTable& table,
                                         const KeyHash& key, const TableRow& row,
                                         const Found& found);

  KeyStates* states_;
  PartitionFile file_;
  bool salts_;
  SaltOf salt_of_;
  std::uint64_t rows_ = 0;
  Bytes record_;  // room that is used again
  std::set<std::uint32_t> definitions_;
};

// A row's content as an entry with that state would publish it.
[[nodiscard]] Hash published(const Hash& content, const KeyState& state);

}  // namespace pgtally
