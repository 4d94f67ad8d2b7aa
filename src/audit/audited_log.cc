#include "audit/audited_log.h"

namespace pgtally {

Result<void> AuditedLog::read_each(LeafIndex from, LeafIndex to, const TakeOne& take) {
  return read_entries(from, to, [&](LeafIndex id, std::span<const ByteView> some) -> Result<void> {
    for (const ByteView entry : some) {
      TRY_VOID(take(id, entry));
      ++id.value;
    }
    return {};
  });
}

Result<std::optional<Entry>> AuditedLog::entry(LeafIndex id) {
  std::optional<Entry> found;
  TRY_VOID(read_each(id, LeafIndex{id.value + 1}, [&](LeafIndex, ByteView bytes) -> Result<void> {
    auto decoded = decode_entry(bytes);
    if (decoded.ok()) found = *std::move(decoded);
    return {};
  }));
  return found;
}

}  // namespace pgtally
