// What the log says of the rows of one source: for each key its last state.
//
//   KeyStates states(entries, memory, hasher, spool_directory());
//   for each entry, in the order of the log:    states.put(key, state)   or  states.truncate(id)
//   states.finish()
//   then either all are in one table:           states.whole()           →   KeyTable*
//   or, for each partition:                     states.load(partition)   →   KeyTable
//
// They stay in one table if as many as `entries` fit into three quarters of the memory. Otherwise the
// keys are dealt out to partitions by their hashes, and partitions that do not fit go to files that have
// no name. Should `entries` have been too low, the table is dealt out when it is full.
//
// Memory of partitions: the records that wait to be written take a quarter of what was allowed, the
// tables of three partitions half of it. Up to 4,096 partitions: more than 10^9 entries of one source
// take more memory, in proportion.
#pragma once

#include <array>
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

// What an entry says of itself to its key's next one.
struct KeyStep {
  LeafIndex id;
  bool inserts = false;     // and is not a bad one, and is in the log
  bool was_living = false;  // after it, and it is not a bad one
};

// The last states of keys, as many as were allowed.
class KeyTable {
 public:
  // 64 bytes, of which a million fit into what an audit may take.
  struct Slot {
    KeyHash key;
    LeafIndex id;
    std::uint32_t definition = 0;
    Operation operation = Operation::kInsert;
    bool bad = false;
    bool salted = false;
    std::uint8_t rows = 0;  // of the table, that had this key: counted by whoever compares
    Hash content;

    [[nodiscard]] bool is_living() const { return operation < Operation::kDelete; }
    [[nodiscard]] bool is_staged() const { return id.value >= kStagedIds; }
  };
  static_assert(sizeof(Slot) == 64);
  // What one takes, with its places, of which there may be twice what is needed.
  static constexpr std::size_t kBytesPerKey = sizeof(Slot) + 3 * sizeof(std::uint32_t);

  explicit KeyTable(std::uint64_t most);

  [[nodiscard]] bool is_full() const { return slots_.size() == most_; }
  // The state becomes the key's last one. Returns the entry before, if there is one. Precondition for a
  // key that is new: not is_full().
  std::optional<KeyStep> add_newer(const KeyHash& key, const KeyState& state);
  // The same where later states are given first. Returns the entry behind this one. `step`: of the entry
  // itself, whatever has ended its state.
  std::optional<KeyStep> add_older(const KeyHash& key, const KeyState& state, const KeyStep& step);
  // No key is living that was before this entry.
  void truncate(LeafIndex id);

  [[nodiscard]] Slot* find(const KeyHash& key);
  void prefetch(const KeyHash& key) const {
    __builtin_prefetch(&places_[key.second & (places_.size() - 1)]);
  }
  [[nodiscard]] std::span<Slot> slots() { return slots_; }
  [[nodiscard]] std::span<const Slot> slots() const { return slots_; }
  // With its salt, where one was given.
  [[nodiscard]] KeyState state_of(const Slot& slot) const;

 private:
  // A place says which slot, by its number + 1, and in the bits above that a part of the key's hash: so
  // slots of other keys, which lie anywhere in memory, need not be looked at.
  [[nodiscard]] std::uint32_t tag_of(const KeyHash& key) const {
    return static_cast<std::uint32_t>(key.first >> 32) & ~number_mask_;
  }
  [[nodiscard]] std::size_t place_of(const KeyHash& key) const;
  [[nodiscard]] std::size_t number_at(std::size_t place) const {
    return (places_[place] & number_mask_) - 1;
  }
  std::size_t make(std::size_t place, const KeyHash& key);
  void set(std::size_t slot, const KeyState& state);

  std::uint64_t most_;
  std::vector<Slot> slots_;
  std::uint32_t number_mask_;
  std::vector<std::uint32_t> places_;  // of a power of two; 0: free
  // By slots, where they are needed at all: what came with the states, and the oldest entries so far.
  std::vector<Hash> salts_;
  std::vector<KeyStep> oldest_;
};

class KeyStates {
 public:
  // `entries`: how many there may be; `memory`: what this source may take of it; `with_salts`: those
  // that are blinded come with their salts.
  KeyStates(std::uint64_t entries, std::size_t memory, const KeyHasher& hasher,
            const std::string& directory, bool with_salts = false);

  // In ascending order of ids.
  [[nodiscard]] Result<void> put(ByteView key, const KeyState& state);
  // No key is living any more.
  void truncate(LeafIndex id) { truncates_.push_back(id); }

  // Those that living states may have been recorded under.
  [[nodiscard]] const std::set<std::uint32_t>& definitions() const { return definitions_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] const KeyHasher& hasher() const { return hasher_; }

  // After the last put() and truncate(), and before all that follows.
  [[nodiscard]] Result<void> finish();

  // The table, if all are in one; null if they are in partitions.
  [[nodiscard]] KeyTable* whole() { return table_ ? &*table_ : nullptr; }
  // 1 if all are in one table.
  [[nodiscard]] std::size_t partitions() const { return table_ ? 1 : file_.partitions(); }
  [[nodiscard]] std::size_t partition_of(const KeyHash& key) const {
    return static_cast<std::size_t>(key.first) & (partitions() - 1);
  }
  // May be loaded more than once. Precondition: they are in partitions. `repeated` hears of inserts of
  // keys that were living already: the entry before, and the insert. Not where one of them is bad, or
  // not in the log yet.
  using Repeated = std::function<Result<void>(LeafIndex before, LeafIndex insert)>;
  [[nodiscard]] Result<KeyTable> load(std::size_t partition, const Repeated& repeated);
  // The same of those that were met while all were in one table.
  [[nodiscard]] Result<void> each_repeated(const Repeated& repeated);

 private:
  // Finding the place of a key takes a look into memory that is in no cache: it is begun when the state
  // comes, and waited for when some more have come.
  static constexpr std::size_t kWaiting = 16;
  using Waiting = std::pair<KeyHash, KeyState>;
  [[nodiscard]] Result<void> take(const Waiting& waiting);
  // Whether the second is an insert of a key that was living.
  [[nodiscard]] bool repeats(const KeyStep& before, const KeyStep& insert) const;
  [[nodiscard]] Result<void> append(const KeyHash& key, const KeyState& state);
  [[nodiscard]] Result<void> deal_out();

  KeyHasher hasher_;
  std::optional<KeyTable> table_;
  std::array<Waiting, kWaiting> waiting_;
  std::uint64_t taken_ = 0;  // of count_: those that do not wait any more
  PartitionFile file_;
  PartitionFile repeated_;
  std::set<std::uint32_t> definitions_;
  std::optional<std::uint32_t> last_definition_;
  std::uint64_t count_ = 0;
  std::vector<LeafIndex> truncates_;  // 8 bytes each are all that grows with the log
};

}  // namespace pgtally
