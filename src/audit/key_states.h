// What the log says of the rows of one source: for each key its last state. Larger than memory may be:
// the keys are dealt out to partitions by their hashes, and partitions that do not fit go to files
// that have no name.
//
//   KeyStates states(entries, memory, hasher, spool_directory());
//   for each entry, in the order of the log:    states.put(key, state)   or  states.truncate(id)
//   for each partition:                         states.load(partition)   →   KeyTable
//
// Memory: the records that wait to be written, and the tables of three partitions; each about half of
// what was allowed if `entries` was not too low. Up to 4,096 partitions: more than 10^9 entries of one source
// take more memory, in proportion.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "audit/key_hash.h"
#include "audit/partition_file.h"
#include "pgtally/entry.h"
#include "pgtally/result.h"
#include "pgtally/types.h"

namespace pgtally {

// What is not in the log yet is known by these ids, in the order in which it will come.
inline constexpr std::uint64_t kStagedIds = std::uint64_t{1} << 62;

struct KeyState {
  LeafIndex id;
  std::uint32_t definition = 0;
  Operation operation = Operation::kInsert;  // the last: insert, update, delete or truncate
  bool bad = false;                          // not what was recorded: see VisitedEntry
  bool salted = false;                       // `content` is blinded with `salt`
  Hash content;                              // as it is published; of what is staged, not blinded
  Hash salt;  // zero where it is none, not known, or not asked for yet

  [[nodiscard]] bool is_staged() const { return id.value >= kStagedIds; }
  [[nodiscard]] bool is_living() const { return operation < Operation::kDelete; }
};

// The last states of the keys of one partition.
class KeyTable {
 public:
  // The oldest entry of a key that was given.
  struct Oldest {
    LeafIndex id;
    bool insert = false;  // and not a bad one
  };
  struct Slot {
    KeyHash key;
    KeyState state;
    Oldest oldest;
    std::uint64_t rows = 0;  // of the table, that had this key; counted by whoever compares
  };

  // `records`: how many states will be given, at most.
  explicit KeyTable(std::uint64_t records);

  // Later states are to be given first. Returns the one that came before this one; nothing if it is
  // the key's first.
  std::optional<Oldest> add_older(const KeyHash& key, const KeyState& state, bool insert);
  [[nodiscard]] Slot* find(const KeyHash& key);
  [[nodiscard]] std::span<Slot> slots() { return slots_; }

 private:
  [[nodiscard]] std::size_t place_of(const KeyHash& key) const;

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> places_;  // of a power of two; 0: free, otherwise a slot's number + 1
};

class KeyStates {
 public:
  // `entries`: how many there may be; `memory`: what this source may take of it.
  KeyStates(std::uint64_t entries, std::size_t memory, const KeyHasher& hasher,
            const std::string& directory);

  // In ascending order of ids.
  [[nodiscard]] Result<void> put(ByteView key, const KeyState& state);
  // No key is living any more.
  void truncate(LeafIndex id) { truncates_.push_back(id); }

  // Those that living states may have been recorded under.
  [[nodiscard]] const std::set<std::uint32_t>& definitions() const { return definitions_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] const KeyHasher& hasher() const { return hasher_; }
  [[nodiscard]] std::size_t partitions() const { return file_.partitions(); }
  [[nodiscard]] std::size_t partition_of(const KeyHash& key) const {
    return static_cast<std::size_t>(key.first) & (file_.partitions() - 1);
  }
  // May be loaded more than once. `repeated` hears of inserts of keys that were living already: the
  // entry before, and the insert. Not where one of them is bad, or not in the log yet.
  using Repeated = std::function<Result<void>(LeafIndex before, LeafIndex insert)>;
  [[nodiscard]] Result<KeyTable> load(std::size_t partition, const Repeated& repeated = {});

 private:
  [[nodiscard]] bool truncated_between(LeafIndex from, LeafIndex to) const;

  KeyHasher hasher_;
  PartitionFile file_;
  std::set<std::uint32_t> definitions_;
  std::optional<std::uint32_t> last_definition_;
  std::uint64_t count_ = 0;
  std::vector<LeafIndex> truncates_;  // 8 bytes each are all that grows with the log
};

}  // namespace pgtally
