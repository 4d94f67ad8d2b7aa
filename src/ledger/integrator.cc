#include "ledger/integrator.h"

#include <algorithm>

#include "ledger/entry_reader.h"
#include "pgtally/merkle.h"
#include "postgres/copy.h"

namespace pgtally {
namespace {

Bytes bytes_of(std::span<const Hash> hashes) {
  Bytes bytes;
  bytes.reserve(hashes.size() * Hash::kSize);
  for (const Hash& hash : hashes) bytes.insert(bytes.end(), hash.bytes.begin(), hash.bytes.end());
  return bytes;
}

// Tiles as the parameters of one statement.
struct TileArrays {
  std::vector<std::int64_t> levels;
  std::vector<std::int64_t> indexes;
  std::vector<std::int64_t> offsets;  // in bytes
  std::vector<Bytes> hashes;

  void add(const TileWrite& write) {
    levels.push_back(write.tile.level);
    indexes.push_back(static_cast<std::int64_t>(write.tile.index));
    offsets.push_back(static_cast<std::int64_t>(write.offset * Hash::kSize));
    hashes.push_back(bytes_of(write.hashes));
  }
};

// By COPY: as parameters of a statement, all their hashes would be copied again and again while it is
// planned.
Result<void> make_tiles(const Ledger& ledger, const std::vector<TileWrite>& writes) {
  TRY(auto copy,
      pg::CopyIn::start(
          ledger.connection(),
          ledger.sql("COPY pgtally.tile (level, index, hashes) FROM STDIN (FORMAT binary)")));
  for (const TileWrite& write : writes) {
    if (write.offset != 0) continue;
    copy.int2(static_cast<std::int16_t>(write.tile.level));
    copy.int8(static_cast<std::int64_t>(write.tile.index));
    copy.bytea(bytes_of(write.hashes));
    TRY_VOID(copy.end_row());
  }
  TRY([[maybe_unused]] const auto made, copy.finish());
  return {};
}

// Those that are new, and those that grow, each of which has to be there with the hashes that come
// before the new ones.
Result<void> write_tiles(const Ledger& ledger, const std::vector<TileWrite>& writes) {
  const auto is_new = [](const TileWrite& write) { return write.offset == 0; };
  if (std::ranges::any_of(writes, is_new)) TRY_VOID(make_tiles(ledger, writes));
  TileArrays grown;
  for (const TileWrite& write : writes) {
    if (!is_new(write)) grown.add(write);
  }
  if (!grown.hashes.empty()) {
    TRY(const auto rows,
        ledger.query("UPDATE pgtally.tile AS t SET hashes = t.hashes || g.hashes "
                     "FROM unnest($1::int8[]::int2[], $2::int8[], $3::int8[], $4::bytea[]) "
                     "AS g(level, index, known, hashes) WHERE t.level = g.level AND "
                     "t.index = g.index AND octet_length(t.hashes) = g.known",
                     pg::Params()
                         .int8_array(grown.levels)
                         .int8_array(grown.indexes)
                         .int8_array(grown.offsets)
                         .bytea_array(grown.hashes)));
    if (rows.affected() != grown.hashes.size()) {
      return tampered("a tile is missing or holds more hashes than the tree has",
                      "pgtally rebuild --check names it; pgtally rebuild mends it.");
    }
  }
  return {};
}

}  // namespace

Result<bool> Integrator::load(const Ledger& ledger) {
  TRY(TreeHead head, read_tree_head(ledger));
  // The cutter is ahead of head_ after a batch that failed between append() and write().
  const bool at_hand = loaded_ && cutter_.frontier().size() == head_.size;
  if (at_hand && head.size == head_.size && head.root == head_.root &&
      head.guard_id == head_.guard_id) {
    return false;
  }
  loaded_ = false;
  std::vector<Hash> partial;
  const std::uint64_t full = head.size.value - head.size.value % kTileWidth;
  TRY_VOID(read_entries(ledger, LeafIndex{full}, LeafIndex{head.size.value},
                        [&](LeafIndex, ByteView entry) {
                          partial.push_back(leaf_hash(entry));
                          return Result<void>();
                        }));
  auto cutter = TileCutter::restore(head.size, head.frontier, partial);
  if (!cutter.ok()) {
    return tampered("entries " + std::to_string(full) + ".." + std::to_string(head.size.value - 1) +
                        " are not those that the tree head was made of: " + cutter.error().message,
                    "Somebody changed processed_log. pgtally rebuild --check says what differs.");
  }
  cutter_ = std::move(*cutter);
  head_ = std::move(head);
  loaded_ = true;
  return true;
}

void Integrator::append(ByteView entry) {
  cutter_.append(leaf_hash(entry));
}

Result<void> Integrator::catch_up(const Ledger& ledger, LeafIndex to) {
  const LeafIndex from{cutter_.frontier().size().value};
  if (from > to) {
    return tampered("the tree covers " + std::to_string(from.value) +
                        " entries, the log has only " + std::to_string(to.value),
                    "pgtally rebuild --check says what differs.");
  }
  return read_entries(ledger, from, to, [&](LeafIndex, ByteView entry) {
    append(entry);
    return Result<void>();
  });
}

Result<void> Integrator::write(const Ledger& ledger) {
  if (cutter_.frontier().size() == head_.size) return {};
  TRY_VOID(write_tiles(ledger, cutter_.take_writes()));
  head_.size = cutter_.frontier().size();
  head_.root = cutter_.frontier().root();
  head_.frontier.assign(cutter_.frontier().nodes().begin(), cutter_.frontier().nodes().end());
  return write_tree_head(ledger, head_);
}

}  // namespace pgtally
