// The rows of one source held against the last states of its keys.
//
//   Comparison comparison(states, memory, directory, rules);     once all states are there
//   for some rows of the table after the other:  comparison.add(rows)
//   comparison.run(found)   as often as one likes
//
// Where all states are in one table, a row that is as recorded is counted there and forgotten. All
// others are kept, and looked at by run(), partition by partition.
//
// Whether a difference accuses anybody is for the caller to say: see row_audit.h.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
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
  struct Rules {
    // What the log publishes of this source can be compared with rows; otherwise keys alone are. What is
    // staged can be in either case.
    bool salts = false;
    // Which of a row's contents is that under a definition, if any.
    std::function<std::optional<std::size_t>(std::uint32_t definition)> shape_of;
    // Gives the salts that are not kept with the states; null if they all are.
    std::function<Result<void>(std::span<const LeafIndex> ids, std::span<Hash> salts)> salts_of;
  };
  // `states` has to live longer.
  Comparison(KeyStates& states, std::size_t memory, const std::string& directory, Rules rules);

  [[nodiscard]] Result<void> add(std::span<const TableRow> rows);
  [[nodiscard]] std::uint64_t rows() const { return rows_; }

  // Calls `found` for each difference; what it is given is valid during the call.
  using Found = std::function<Result<void>(const Difference&)>;
  [[nodiscard]] Result<void> run(const Found& found);

  // After run(): those that living keys were recorded under last.
  [[nodiscard]] const std::set<std::uint32_t>& living_definitions() const { return definitions_; }

 private:
  // A row beside the state of its key.
  struct Pair {
    KeyHash key;
    KeyTable::Slot* slot = nullptr;
    std::optional<Hash> content;  // see Difference
    bool agrees = false;          // it is as its key was recorded, and living
  };
  [[nodiscard]] Result<void> look_up(KeyTable& table, std::span<const TableRow> rows);
  [[nodiscard]] Result<void> blind_contents(const KeyTable& table);
  [[nodiscard]] Result<void> keep(const KeyHash& key, const TableRow& row);
  [[nodiscard]] Result<void> run_partition(std::size_t partition, KeyTable& table,
                                           const Found& found);
  [[nodiscard]] Result<void> judge(const KeyTable& table, std::span<const TableRow> rows,
                                   const Found& found);

  KeyStates* states_;
  PartitionFile file_;
  Rules rules_;
  std::uint64_t rows_ = 0;
  bool was_run_ = false;
  std::set<std::uint32_t> definitions_;
  // Room that is used again.
  Bytes record_;
  std::vector<Pair> pairs_;
  std::vector<TableRow> kept_;
  std::vector<std::size_t> blinded_;
  std::vector<LeafIndex> ids_;
  std::vector<Hash> salts_;
  std::vector<Hash> contents_;
};

// A row's content as an entry with that state would publish it.
[[nodiscard]] Hash published(const Hash& content, const KeyState& state);

}  // namespace pgtally
