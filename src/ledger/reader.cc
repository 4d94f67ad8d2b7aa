#include "ledger/reader.h"

namespace pgtally {

Result<void> note_reading(const Ledger& ledger, std::int32_t source_id, std::uint64_t waiting_rows,
                          std::optional<Time> oldest) {
  // Written when it changes, and every ten seconds: nobody reads it more closely than that.
  TRY([[maybe_unused]] const auto rows,
      ledger.query(R"sql(
    INSERT INTO pgtally.reading AS r (source_id, waiting_rows, oldest)
    VALUES ($1::int4, $2::int8, $3::timestamptz)
    ON CONFLICT (source_id) DO UPDATE
      SET waiting_rows = excluded.waiting_rows, oldest = excluded.oldest, read_at = excluded.read_at
      WHERE r.waiting_rows <> excluded.waiting_rows
         OR r.read_at < excluded.read_at - interval '10 s')sql",
                   pg::Params()
                       .int4(source_id)
                       .int8(static_cast<std::int64_t>(waiting_rows))
                       .time(oldest.value_or(Time{}))));
  return {};
}

}  // namespace pgtally
