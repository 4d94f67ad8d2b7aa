#include "ledger/stager.h"

#include "postgres/copy.h"

namespace pgtally {

Result<void> stage(const Ledger& ledger, std::span<const StagedRow> rows) {
  if (rows.empty()) return {};
  TRY(auto copy,
      pg::CopyIn::start(
          ledger.connection(),
          ledger.sql("COPY pgtally.append_only_log (source_id, definition, operation, key, "
                     "source_position, source_time, content_hash) FROM STDIN (FORMAT binary)")));
  for (const StagedRow& row : rows) {
    copy.int4(row.source_id);
    copy.int4(static_cast<std::int32_t>(row.definition));
    copy.int2(static_cast<std::int16_t>(row.operation));
    if (row.key.empty()) {
      copy.null();
    } else {
      copy.bytea(row.key);
    }
    copy.text(row.source_position);
    copy.time(row.source_time);
    copy.hash(row.content);
    TRY_VOID(copy.end_row());
  }
  TRY([[maybe_unused]] const auto copied, copy.finish());
  return {};
}

}  // namespace pgtally
