#include "audit/key_states.h"

#include <sys/mman.h>

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

struct RepeatedInsert {
  LeafIndex before;
  LeafIndex insert;
};

template <typename T>
ByteView bytes_of(const T& value, std::size_t size = sizeof(T)) {
  static_assert(std::is_trivially_copyable_v<T>);
  return {reinterpret_cast<const std::uint8_t*>(&value), size};
}

// Tables that fit into a processor's cache are looked up twice as fast; but their number is what the
// blocks that wait to be written are for, so it is not worth more than that.
constexpr std::uint64_t kHandyTable = std::uint64_t{1} << 20;
constexpr std::uint64_t kHandyPartitions = 128;

std::size_t partitions_for(std::uint64_t entries, std::size_t memory) {
  const std::uint64_t bytes = entries * KeyTable::kBytesPerKey;
  // Of three tables one is worked on, one waits, one is made.
  const std::uint64_t needed = bytes / std::max<std::uint64_t>(memory / 6, 1) + 1;
  const std::uint64_t handy = std::min(bytes / kHandyTable + 1, kHandyPartitions);
  return std::bit_ceil(std::min(std::max(needed, handy), kMostPartitions));
}

// What is reserved and not used yet. Keys lie anywhere in it, and of small pages a processor remembers too
// few to find them fast. Nothing depends on it.
template <typename T>
void want_large_pages(const std::vector<T>& memory) {
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = (reinterpret_cast<std::uintptr_t>(memory.data()) + kPage - 1) & ~(kPage - 1);
  const auto end = reinterpret_cast<std::uintptr_t>(memory.data() + memory.capacity());
  if (begin >= end) return;
  (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // NOLINT
}

KeyStep step_of(LeafIndex id, Operation operation, bool bad) {
  return {id, operation == Operation::kInsert && !bad && id.value < kStagedIds,
          operation < Operation::kDelete && !bad};
}

}  // namespace

KeyTable::KeyTable(std::uint64_t most)
    : most_(most), number_mask_(static_cast<std::uint32_t>(std::bit_ceil(most + 2) - 1)) {
  slots_.reserve(most);
  const std::uint64_t places = std::bit_ceil(most * 4 / 3 + 2);
  places_.reserve(places);
  want_large_pages(slots_);
  want_large_pages(places_);
  places_.resize(places);
}

// The number of its slot is there, or it is free.
std::size_t KeyTable::place_of(const KeyHash& key) const {
  const std::size_t mask = places_.size() - 1;
  const std::uint32_t tag = tag_of(key);
  std::size_t place = key.second & mask;
  for (; places_[place] != 0; place = (place + 1) & mask) {
    if ((places_[place] & ~number_mask_) == tag && slots_[number_at(place)].key == key) break;
  }
  return place;
}

void KeyTable::set(std::size_t slot, const KeyState& state) {
  Slot& to = slots_[slot];
  to.id = state.id;
  to.definition = state.definition;
  to.operation = state.operation;
  to.bad = state.bad;
  to.salted = state.salted;
  to.content = state.content;
  if (state.salt != Hash{} || slot < salts_.size()) {
    salts_.resize(std::max(salts_.size(), slot + 1));
    salts_[slot] = state.salt;
  }
}

std::size_t KeyTable::make(std::size_t place, const KeyHash& key) {
  slots_.emplace_back().key = key;
  places_[place] = static_cast<std::uint32_t>(slots_.size()) | tag_of(key);
  return slots_.size() - 1;
}

std::optional<KeyStep> KeyTable::add_newer(const KeyHash& key, const KeyState& state) {
  const std::size_t place = place_of(key);
  if (places_[place] == 0) {
    set(make(place, key), state);
    return std::nullopt;
  }
  const Slot& slot = slots_[number_at(place)];
  const KeyStep before = step_of(slot.id, slot.operation, slot.bad);
  set(number_at(place), state);
  return before;
}

std::optional<KeyStep> KeyTable::add_older(const KeyHash& key, const KeyState& state,
                                           const KeyStep& step) {
  const std::size_t place = place_of(key);
  if (places_[place] != 0) return std::exchange(oldest_[number_at(place)], step);
  set(make(place, key), state);
  oldest_.push_back(step);
  return std::nullopt;
}

void KeyTable::truncate(LeafIndex id) {
  for (Slot& slot : slots_) {
    if (slot.is_living() && slot.id < id) slot.operation = Operation::kTruncate;
  }
}

KeyTable::Slot* KeyTable::find(const KeyHash& key) {
  const std::size_t place = place_of(key);
  return places_[place] == 0 ? nullptr : &slots_[number_at(place)];
}

KeyState KeyTable::state_of(const Slot& slot) const {
  const auto number = static_cast<std::size_t>(&slot - slots_.data());
  return {slot.id,
          slot.definition,
          slot.operation,
          slot.bad,
          slot.salted,
          slot.content,
          number < salts_.size() ? salts_[number] : Hash{}};
}

KeyStates::KeyStates(std::uint64_t entries, std::size_t memory, const KeyHasher& hasher,
                     const std::string& directory, bool with_salts)
    : hasher_(hasher),
      file_(partitions_for(entries, memory), memory / 4, directory),
      repeated_(1, PartitionFile::kLeastBlock, directory) {
  const std::size_t per_key = KeyTable::kBytesPerKey + (with_salts ? sizeof(Hash) : 0);
  if (entries <= memory / 4 * 3 / per_key) table_.emplace(entries);
}

bool KeyStates::repeats(const KeyStep& before, const KeyStep& insert) const {
  if (!before.was_living || !insert.inserts) return false;
  const auto next = std::upper_bound(truncates_.begin(), truncates_.end(), before.id);
  return next == truncates_.end() || *next >= insert.id;
}

Result<void> KeyStates::append(const KeyHash& key, const KeyState& state) {
  const Record record{key, state};
  return file_.append(partition_of(key),
                      bytes_of(record, state.salt != Hash{} ? sizeof record : kWithoutSalt));
}

Result<void> KeyStates::put(ByteView key, const KeyState& state) {
  const KeyHash hash = hasher_(key);
  if (state.is_living() && state.definition != last_definition_) {
    definitions_.insert(state.definition);
    last_definition_ = state.definition;
  }
  if (table_) table_->prefetch(hash);
  auto& place = waiting_[count_++ % kWaiting];
  if (count_ - taken_ > kWaiting) TRY_VOID(take(place));
  place = {hash, state};
  return {};
}

Result<void> KeyStates::finish() {
  while (taken_ < count_) TRY_VOID(take(waiting_[taken_ % kWaiting]));
  if (table_ && !truncates_.empty()) table_->truncate(truncates_.back());
  return {};
}

Result<void> KeyStates::take(const Waiting& waiting) {
  const auto& [key, state] = waiting;
  ++taken_;
  if (table_ && table_->is_full() && table_->find(key) == nullptr) TRY_VOID(deal_out());
  if (!table_) return append(key, state);
  const auto before = table_->add_newer(key, state);
  const KeyStep step = step_of(state.id, state.operation, state.bad);
  if (!before || !repeats(*before, step)) return {};
  return repeated_.append(0, bytes_of(RepeatedInsert{before->id, step.id}));
}

// There are more keys than were told of.
Result<void> KeyStates::deal_out() {
  const KeyTable table = *std::exchange(table_, std::nullopt);
  for (const KeyTable::Slot& slot : table.slots()) {
    TRY_VOID(append(slot.key, table.state_of(slot)));
  }
  return {};
}

Result<KeyTable> KeyStates::load(std::size_t partition, const Repeated& repeated) {
  KeyTable table(file_.count(partition));
  TRY_VOID(file_.read_back(partition, [&](ByteView bytes) -> Result<void> {
    Record record{};
    std::memcpy(&record, bytes.data(), std::min(bytes.size(), sizeof record));
    KeyState& state = record.state;
    const KeyStep step = step_of(state.id, state.operation, state.bad);
    if (state.is_living() && !truncates_.empty() && state.id < truncates_.back()) {
      state.operation = Operation::kTruncate;
    }
    const auto later = table.add_older(record.key, state, step);
    if (!later || !repeats(step, *later)) return {};
    return repeated(step.id, later->id);
  }));
  return table;
}

Result<void> KeyStates::each_repeated(const Repeated& repeated) {
  return repeated_.read_back(0, [&](ByteView bytes) {
    RepeatedInsert insert;
    std::memcpy(&insert, bytes.data(), sizeof insert);
    return repeated(insert.before, insert.insert);
  });
}

}  // namespace pgtally
