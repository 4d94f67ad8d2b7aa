#include "service/ledger_log.h"

#include <algorithm>

#include "format/entry_bundle.h"
#include "ledger/cosignatures.h"
#include "ledger/documents.h"
#include "ledger/entry_reader.h"
#include "ledger/tile_store.h"

namespace pgtally {

Result<std::string> LedgerLog::checkpoint() {
  TRY(const auto newest, checkpoint_to_show(ledger_, patience_));
  if (!newest) return std::string();
  return cosigned_checkpoint(ledger_, newest->size);
}

Result<std::vector<std::vector<Hash>>> LedgerLog::tiles(std::span<const TileId> ids,
                                                        TreeSize size) {
  std::vector<TileRequest> requests;
  for (const TileId& id : ids) requests.push_back({id, tile_width(id, size)});
  return DatabaseTiles(ledger_, size).read(requests);
}

Result<std::vector<std::string>> LedgerLog::bundles(std::uint64_t first, std::size_t count,
                                                    TreeSize size) {
  std::vector<std::string> bundles(count);
  const LeafIndex from{first * kTileWidth};
  const LeafIndex to{std::min(from.value + count * kTileWidth, size.value)};
  TRY_VOID(read_entries(ledger_, from, to, [&](LeafIndex id, ByteView entry) {
    return append_to_bundle(bundles[(id.value - from.value) / kTileWidth], entry);
  }));
  return bundles;
}

Result<std::vector<std::string>> LedgerLog::documents(LeafIndex first, LeafIndex before) {
  return read_documents(ledger_, first, before);
}

}  // namespace pgtally
