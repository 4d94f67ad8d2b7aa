#include "ledger/integrator.h"

#include "ledger/entry_reader.h"
#include "pgtally/merkle.h"
#include "postgres/pipeline.h"

namespace pgtally {

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
    return tampered("entries " + std::to_string(full) + ".." +
                        std::to_string(head.size.value - 1) +
                        " are not those that the tree head was made of: " + cutter.error().message,
                    "Somebody changed processed_log. pgtally rebuild --check says what differs.");
  }
  cutter_ = std::move(*cutter);
  head_ = std::move(head);
  loaded_ = true;
  return true;
}

void Integrator::append(ByteView entry) { cutter_.append(leaf_hash(entry)); }

Result<void> Integrator::catch_up(const Ledger& ledger, LeafIndex to) {
  const LeafIndex from{cutter_.frontier().size().value};
  if (from > to) {
    return tampered("the tree covers " + std::to_string(from.value) + " entries, the log has only " +
                        std::to_string(to.value),
                    "pgtally rebuild --check says what differs.");
  }
  return read_entries(ledger, from, to, [&](LeafIndex, ByteView entry) {
    append(entry);
    return Result<void>();
  });
}

Result<void> Integrator::write(const Ledger& ledger) {
  if (cutter_.frontier().size() == head_.size) return {};
  pg::Pipeline pipeline;
  for (const TileWrite& write : cutter_.take_writes()) {
    Bytes hashes;
    hashes.reserve(write.hashes.size() * Hash::kSize);
    for (const Hash& hash : write.hashes) {
      hashes.insert(hashes.end(), hash.bytes.begin(), hash.bytes.end());
    }
    pg::Params params;
    params.int2(static_cast<std::int16_t>(write.tile.level))
        .index(LeafIndex{write.tile.index})
        .bytea(hashes);
    if (write.offset == 0) {
      pipeline.add(ledger.sql("INSERT INTO pgtally.tile (level, index, hashes) VALUES ($1, $2, $3)"),
                   std::move(params));
    } else {
      params.int4(static_cast<std::int32_t>(write.offset * Hash::kSize));
      pipeline.add(ledger.sql("UPDATE pgtally.tile SET hashes = hashes || $3 WHERE level = $1 AND "
                              "index = $2 AND octet_length(hashes) = $4 RETURNING 1"),
                   std::move(params));
    }
  }
  if (pipeline.size() > 0) {
    TRY(const auto results, pipeline.run(ledger.connection()));
    for (const pg::Rows& rows : results) {
      if (rows.affected() != 1) {
        return tampered("a tile is missing or holds more hashes than the tree has",
                        "pgtally rebuild --check names it; pgtally rebuild mends it.");
      }
    }
  }
  head_.size = cutter_.frontier().size();
  head_.root = cutter_.frontier().root();
  head_.frontier.assign(cutter_.frontier().nodes().begin(), cutter_.frontier().nodes().end());
  return write_tree_head(ledger, head_);
}

}  // namespace pgtally
