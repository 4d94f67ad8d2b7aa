#include "capture/remote_progress.h"

#include "postgres/transaction.h"

namespace pgtally {
namespace {

constexpr std::string_view kAnotherReader = "TLY03";  // of lock_source()

}  // namespace

Result<RemoteProgress> read_progress(const Ledger& ledger, std::int32_t source_id) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT p.capture_id, p.high, p.since::text, p.upto::text, p.cursor_xid::text, p.cursor_key,
           coalesce(p.foreign_xmax >= pg_snapshot_xmin(p.since), false), coalesce(p.server, ''),
           coalesce(p.server_lsn, '0/0')::text
      FROM pgtally.progress_of($1::int4) AS p WHERE p.capture_id IS NOT NULL)sql",
                                    pg::Params().int4(source_id)));
  RemoteProgress progress;
  if (rows.empty()) return progress;
  TRY(progress.id, rows.get<std::int64_t>(0, 0));
  TRY(progress.high, rows.get<std::optional<std::int64_t>>(0, 1));
  TRY(auto since, rows.get<std::optional<std::string>>(0, 2));
  progress.since = std::move(since).value_or("");
  TRY(progress.upto, rows.get<std::optional<std::string>>(0, 3));
  TRY(progress.cursor_xid, rows.get<std::optional<std::string>>(0, 4));
  if (!rows.is_null(0, 5)) {
    TRY(progress.cursor_key, rows.get<std::vector<std::string>>(0, 5));
  }
  TRY(progress.has_foreign, rows.get<bool>(0, 6));
  TRY(progress.server, rows.get<std::string>(0, 7));
  TRY(progress.server_lsn, rows.get<std::string>(0, 8));
  return progress;
}

Result<bool> store(const Ledger& ledger, std::int32_t source_id,
                   std::optional<std::int64_t> expected,
                   const std::function<Result<void>()>& work) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  pg::Params params;
  params.int4(source_id);
  expected ? params.int8(*expected) : params.null();
  const auto locked = ledger.query("SELECT pgtally.lock_source($1::int4, $2::int8)", params);
  if (!locked.ok()) {
    if (ledger.connection().last_sqlstate() == kAnotherReader) return false;
    return locked.error();
  }
  TRY_VOID(work());
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return true;
  return retry("whether rows were staged is not known: " + result.reason);
}

void keep(std::vector<StagedRow>& rows, const std::vector<std::int64_t>& places) {
  std::size_t kept = 0;
  for (const std::int64_t place : places) {
    const auto from = static_cast<std::size_t>(place) - 1;
    if (from != kept) rows[kept] = std::move(rows[from]);
    ++kept;
  }
  rows.resize(kept);
}

std::vector<Bytes> keys_of(const std::vector<StagedRow>& rows) {
  std::vector<Bytes> keys;
  keys.reserve(rows.size());
  for (const StagedRow& row : rows) keys.push_back(row.key);
  return keys;
}

}  // namespace pgtally
