#include "audit/comparison.h"

#include <cstring>

#include "base/read_ahead.h"
#include "pgtally/content.h"

namespace pgtally {
namespace {

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

KeyHash read_row(ByteView record, TableRow& row) {
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
  return head.key;
}

}  // namespace

Hash published(const Hash& content, const KeyState& state) {
  return state.salted ? blinded(state.salt, content) : content;
}

Comparison::Comparison(KeyStates& states, std::size_t memory, const std::string& directory,
                       bool salts, SaltOf salt_of)
    : states_(&states),
      file_(states.partitions(), memory, directory),
      salts_(salts),
      salt_of_(std::move(salt_of)) {}

Result<void> Comparison::add(const TableRow& row) {
  const Head head{states_->hasher()(row.key), row.time, row.xid,
                  static_cast<std::uint32_t>(row.contents.size()), row.skipped ? 1U : 0U};
  record_.clear();
  put(record_, &head, sizeof head);
  put(record_, row.contents.data(), row.contents.size() * sizeof(Hash));
  put(record_, row.key.data(), row.key.size());
  ++rows_;
  return file_.append(states_->partition_of(head.key), record_);
}

Result<void> Comparison::run(const ShapeOf& shape_of, const Found& found) {
  definitions_.clear();
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
  TableRow row;
  Partition loaded;
  for (std::size_t partition = 0; partition < states_->partitions(); ++partition) {
    TRY_VOID(ahead.next(loaded));
    for (const auto& [before, insert] : loaded.repeated) {
      TRY_VOID(found({Difference::Kind::kRepeated, {}, nullptr, nullptr, {}, before, insert}));
    }
    KeyTable& table = loaded.table;
    TRY_VOID(file_.read_back(partition, [&](ByteView record) {
      const KeyHash key = read_row(record, row);
      return compare_row(shape_of, table, key, row, found);
    }));
    for (const KeyTable::Slot& slot : table.slots()) {
      if (!slot.state.is_living()) continue;
      if (definitions_.empty() || *definitions_.rbegin() != slot.state.definition) {
        definitions_.insert(slot.state.definition);
      }
      if (slot.rows == 0) {
        TRY_VOID(found({Difference::Kind::kMissing, slot.key, &slot.state, nullptr, {}, {}, {}}));
      }
    }
  }
  return {};
}

Result<void> Comparison::compare_row(const ShapeOf& shape_of, KeyTable& table, const KeyHash& key,
                                     const TableRow& row, const Found& found) {
  // Two rows without a key are not rows of one key.
  KeyTable::Slot* slot = row.key.empty() ? nullptr : table.find(key);
  Difference difference{Difference::Kind::kUnrecorded, key, nullptr, &row, {}, {}, {}};
  if (slot == nullptr) return found(difference);
  difference.state = &slot->state;
  const auto shape = shape_of(slot->state.definition);
  if (shape && row.contents[*shape] != Hash{}) {
    if (KeyState& state = slot->state; salt_of_ && state.salted && state.salt == Hash{}) {
      TRY(state.salt, salt_of_(state.id));
    }
    difference.content = published(row.contents[*shape], slot->state);
  }
  if (++slot->rows > 1) {
    difference.kind = Difference::Kind::kDuplicate;
    return found(difference);
  }
  if (!slot->state.is_living()) return found(difference);
  difference.kind = Difference::Kind::kChanged;
  if (!shape || (!salts_ && !slot->state.is_staged())) return {};
  if (difference.content == slot->state.content) return {};
  return found(difference);
}

}  // namespace pgtally
