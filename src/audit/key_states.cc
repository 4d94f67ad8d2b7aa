#include "audit/key_states.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

namespace pgtally {
namespace {

constexpr std::uint64_t kMostPartitions = 4096;

struct Record {
  KeyHash key;
  KeyState state;
};
static_assert(std::is_trivially_copyable_v<Record>);
// A salt that is not there is not stored: it comes last.
constexpr std::size_t kWithoutSalt = offsetof(Record, state) + offsetof(KeyState, salt);

// In a table: a slot, and its places, which may be twice what is needed.
constexpr std::uint64_t kBytesPerEntry = sizeof(KeyTable::Slot) + 3 * sizeof(std::uint32_t);

// Tables that fit into a processor's cache are looked up twice as fast; but their number is what the
// blocks that wait to be written are for, so it is not worth more than that.
constexpr std::uint64_t kHandyTable = std::uint64_t{1} << 20;
constexpr std::uint64_t kHandyPartitions = 128;

std::size_t partitions_for(std::uint64_t entries, std::size_t memory) {
  const std::uint64_t bytes = entries * kBytesPerEntry;
  // Of three tables one is worked on, one waits, one is made.
  const std::uint64_t needed = bytes / std::max<std::uint64_t>(memory / 6, 1) + 1;
  const std::uint64_t handy = std::min(bytes / kHandyTable + 1, kHandyPartitions);
  return std::bit_ceil(std::min(std::max(needed, handy), kMostPartitions));
}

}  // namespace

KeyTable::KeyTable(std::uint64_t records) : places_(std::bit_ceil(records * 4 / 3 + 2)) {
  slots_.reserve(records);
}

// The number of its slot is there, or it is free.
std::size_t KeyTable::place_of(const KeyHash& key) const {
  const std::size_t mask = places_.size() - 1;
  std::size_t place = key.second & mask;
  while (places_[place] != 0 && slots_[places_[place] - 1].key != key) place = (place + 1) & mask;
  return place;
}

std::optional<KeyTable::Oldest> KeyTable::add_older(const KeyHash& key, const KeyState& state,
                                                    bool insert) {
  std::uint32_t& number = places_[place_of(key)];
  const Oldest oldest{state.id, insert};
  if (number != 0) return std::exchange(slots_[number - 1].oldest, oldest);
  slots_.push_back({key, state, oldest, 0});
  number = static_cast<std::uint32_t>(slots_.size());
  return std::nullopt;
}

KeyTable::Slot* KeyTable::find(const KeyHash& key) {
  const std::uint32_t number = places_[place_of(key)];
  return number == 0 ? nullptr : &slots_[number - 1];
}

KeyStates::KeyStates(std::uint64_t entries, std::size_t memory, const KeyHasher& hasher,
                     const std::string& directory)
    : hasher_(hasher), file_(partitions_for(entries, memory), memory / 2, directory) {}

Result<void> KeyStates::put(ByteView key, const KeyState& state) {
  const Record record{hasher_(key), state};
  ++count_;
  if (state.is_living() && state.definition != last_definition_) {
    definitions_.insert(state.definition);
    last_definition_ = state.definition;
  }
  return file_.append(partition_of(record.key),
                      {reinterpret_cast<const std::uint8_t*>(&record),
                       state.salt != Hash{} ? sizeof record : kWithoutSalt});
}

bool KeyStates::truncated_between(LeafIndex from, LeafIndex to) const {
  const auto next = std::upper_bound(truncates_.begin(), truncates_.end(), from);
  return next != truncates_.end() && *next < to;
}

Result<KeyTable> KeyStates::load(std::size_t partition, const Repeated& repeated) {
  KeyTable table(file_.count(partition));
  TRY_VOID(file_.read_back(partition, [&](ByteView bytes) -> Result<void> {
    Record record{};
    std::memcpy(&record, bytes.data(), std::min(bytes.size(), sizeof record));
    KeyState& state = record.state;
    const bool was_living = state.is_living() && !state.bad;
    const bool inserts = state.operation == Operation::kInsert && !state.bad && !state.is_staged();
    if (state.is_living() && !truncates_.empty() && state.id < truncates_.back()) {
      state.operation = Operation::kTruncate;
    }
    const auto later = table.add_older(record.key, state, inserts);
    if (!repeated || !was_living || !later || !later->insert) return {};
    if (truncated_between(state.id, later->id)) return {};
    return repeated(state.id, later->id);
  }));
  return table;
}

}  // namespace pgtally
