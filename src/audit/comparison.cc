#include "audit/comparison.h"

#include <cstring>
#include <utility>

#include "base/read_ahead.h"
#include "format/blinding.h"
#include "pgtally/content.h"

namespace pgtally {
namespace {

// What KeyTable::Slot::rows says: a row was as its key was recorded and is not kept, or was read back.
constexpr std::uint8_t kAsRecorded = 1;
constexpr std::uint8_t kOtherwise = 2;

// What stands before a row's contents and key, in a file that nobody else reads.
struct Head {
  KeyHash key;
  Time time;
  std::uint64_t xid;
  std::uint32_t contents;
  std::uint32_t skipped;
};

void put(Bytes& out, const void* from, std::size_t size) {
  const auto* bytes = static_cast<const std::uint8_t*>(from);
  out.insert(out.end(), bytes, bytes + size);
}

// The last states of its keys, and what was inserted while it was living.
struct Partition {
  KeyTable table{0};
  std::vector<std::pair<LeafIndex, LeafIndex>> repeated;
};

void read_row(ByteView record, TableRow& row) {
  Head head{};
  std::memcpy(&head, record.data(), sizeof head);
  record = record.subspan(sizeof head);
  row.time = head.time;
  row.xid = head.xid;
  row.skipped = head.skipped != 0;
  row.contents.resize(head.contents);
  if (!row.contents.empty()) {
    std::memcpy(row.contents.data(), record.data(), row.contents.size() * sizeof(Hash));
  }
  record = record.subspan(row.contents.size() * sizeof(Hash));
  row.key.assign(record.begin(), record.end());
}

}  // namespace

Hash published(const Hash& content, const KeyState& state) {
  return state.salted ? blinded(state.salt, content) : content;
}

Comparison::Comparison(KeyStates& states, std::size_t memory, const std::string& directory,
                       Rules rules)
    : states_(&states), file_(states.partitions(), memory, directory), rules_(std::move(rules)) {}

Result<void> Comparison::keep(const KeyHash& key, const TableRow& row) {
  const Head head{key, row.time, row.xid, static_cast<std::uint32_t>(row.contents.size()),
                  row.skipped ? 1U : 0U};
  record_.clear();
  put(record_, &head, sizeof head);
  put(record_, row.contents.data(), row.contents.size() * sizeof(Hash));
  put(record_, row.key.data(), row.key.size());
  return file_.append(states_->partition_of(key), record_);
}

Result<void> Comparison::add(std::span<const TableRow> rows) {
  rows_ += rows.size();
  KeyTable* const table = states_->whole();
  if (table == nullptr) {
    for (const TableRow& row : rows) TRY_VOID(keep(states_->hasher()(row.key), row));
    return {};
  }
  TRY_VOID(look_up(*table, rows));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Pair& pair = pairs_[i];
    if (pair.agrees && pair.slot->rows == 0) {
      pair.slot->rows = kAsRecorded;
    } else {
      TRY_VOID(keep(pair.key, rows[i]));
    }
  }
  return {};
}

// Fills pairs_. Finding a key takes two looks into memory that is in no cache, so all are begun before
// the first is waited for.
Result<void> Comparison::look_up(KeyTable& table, std::span<const TableRow> rows) {
  pairs_.assign(rows.size(), {});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    pairs_[i].key = states_->hasher()(rows[i].key);
    table.prefetch(pairs_[i].key);
  }
  blinded_.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Pair& pair = pairs_[i];
    // Two rows without a key are not rows of one key.
    if (rows[i].key.empty()) continue;
    pair.slot = table.find(pair.key);
    if (pair.slot == nullptr) continue;
    const auto shape = rules_.shape_of(pair.slot->definition);
    pair.agrees = !shape || (!rules_.salts && !pair.slot->is_staged());
    if (!shape || rows[i].contents[*shape] == Hash{}) continue;
    pair.content = rows[i].contents[*shape];
    if (pair.slot->salted) blinded_.push_back(i);
  }
  TRY_VOID(blind_contents(table));
  for (Pair& pair : pairs_) {
    if (pair.slot == nullptr) continue;
    pair.agrees = pair.slot->is_living() && (pair.agrees || pair.content == pair.slot->content);
  }
  return {};
}

Result<void> Comparison::blind_contents(const KeyTable& table) {
  if (blinded_.empty()) return {};
  ids_.clear();
  contents_.clear();
  salts_.resize(blinded_.size());
  for (const std::size_t i : blinded_) {
    ids_.push_back(pairs_[i].slot->id);
    contents_.push_back(*pairs_[i].content);
  }
  if (rules_.salts_of) {
    TRY_VOID(rules_.salts_of(ids_, salts_));
  } else {
    for (std::size_t k = 0; k < blinded_.size(); ++k) {
      salts_[k] = table.state_of(*pairs_[blinded_[k]].slot).salt;
    }
  }
  blind(salts_, contents_);
  for (std::size_t k = 0; k < blinded_.size(); ++k) pairs_[blinded_[k]].content = contents_[k];
  return {};
}

Result<void> Comparison::run(const Found& found) {
  definitions_.clear();
  const auto tell_repeated = [&](LeafIndex before, LeafIndex insert) {
    return found({Difference::Kind::kRepeated, {}, nullptr, nullptr, {}, before, insert});
  };
  TRY_VOID(states_->each_repeated(tell_repeated));
  if (KeyTable* const table = states_->whole()) {
    if (std::exchange(was_run_, true)) {
      for (KeyTable::Slot& slot : table->slots()) slot.rows &= kAsRecorded;
    }
    return run_partition(0, *table, found);
  }
  ReadAhead<Partition> ahead(
      1, [&, next = std::size_t{0}](Partition& made) mutable -> Result<bool> {
        if (next == states_->partitions()) return false;
        made.repeated.clear();
        TRY(made.table, states_->load(next++, [&](LeafIndex before, LeafIndex insert) {
          made.repeated.emplace_back(before, insert);
          return Result<void>();
        }));
        return true;
      });
  Partition loaded;
  for (std::size_t partition = 0; partition < states_->partitions(); ++partition) {
    TRY_VOID(ahead.next(loaded));
    for (const auto& [before, insert] : loaded.repeated) TRY_VOID(tell_repeated(before, insert));
    TRY_VOID(run_partition(partition, loaded.table, found));
  }
  return {};
}

Result<void> Comparison::run_partition(std::size_t partition, KeyTable& table, const Found& found) {
  kept_.resize(RowBlock::kRows);
  std::size_t count = 0;
  const auto judge_some = [&]() -> Result<void> {
    const auto rows = std::span<const TableRow>(kept_).first(std::exchange(count, 0));
    TRY_VOID(look_up(table, rows));
    return judge(table, rows, found);
  };
  TRY_VOID(file_.read_back(partition, [&](ByteView record) -> Result<void> {
    read_row(record, kept_[count]);
    return ++count == kept_.size() ? judge_some() : Result<void>();
  }));
  TRY_VOID(judge_some());
  for (const KeyTable::Slot& slot : table.slots()) {
    if (!slot.is_living()) continue;
    if (definitions_.empty() || *definitions_.rbegin() != slot.definition) {
      definitions_.insert(slot.definition);
    }
    if (slot.rows != 0) continue;
    const KeyState state = table.state_of(slot);
    TRY_VOID(found({Difference::Kind::kMissing, slot.key, &state, nullptr, {}, {}, {}}));
  }
  return {};
}

Result<void> Comparison::judge(const KeyTable& table, std::span<const TableRow> rows,
                               const Found& found) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Pair& pair = pairs_[i];
    Difference difference{
        Difference::Kind::kUnrecorded, pair.key, nullptr, &rows[i], pair.content, {}, {}};
    if (pair.slot == nullptr) {
      TRY_VOID(found(difference));
      continue;
    }
    const bool is_second = pair.slot->rows != 0;
    pair.slot->rows |= kOtherwise;
    if (pair.agrees && !is_second) continue;
    const KeyState state = table.state_of(*pair.slot);
    difference.state = &state;
    if (is_second) {
      difference.kind = Difference::Kind::kDuplicate;
    } else if (pair.slot->is_living()) {
      difference.kind = Difference::Kind::kChanged;
    }
    TRY_VOID(found(difference));
  }
  return {};
}

}  // namespace pgtally
