#include "capture/readers.h"

#include "capture/logical.h"
#include "capture/remote_reader.h"

namespace pgtally {

namespace {

// Whether this session may read what readers begin with. The role that only sequences may not; then the
// sources that need a reader are shown as failing.
Result<bool> may_read(const Ledger& ledger) {
  TRY(const auto rows,
      ledger.query("SELECT has_table_privilege('pgtally.stream', 'SELECT') "
                   "AND has_table_privilege('pgtally.endpoint', 'SELECT'), current_user::text"));
  TRY(const bool may, rows.get<bool>(0, 0));
  if (may) return true;
  TRY(const auto user, rows.get<std::string>(0, 1));
  TRY([[maybe_unused]] const auto noted,
      ledger.query("SELECT pgtally.note_failure(s.source_id, '42501', $1, $2) "
                   "FROM pgtally.source AS s LEFT JOIN pgtally.failure AS f USING (source_id) "
                   "WHERE s.state = 'active' AND (s.mode = 'logical' OR s.endpoint_id IS NOT NULL) "
                   "AND f.source_id IS NULL",
                   pg::Params()
                       .text("role " + user + ", as which the service runs, may not read for it")
                       .text("Tables of other databases, and those of mode logical, are read by a "
                             "service that runs as the owner of the ledger.")));
  return false;
}

}  // namespace

Result<Readers> make_readers(const Ledger& ledger, const SweepSchedule& sweeps) {
  Readers readers;
  TRY(const bool may, may_read(ledger));
  if (!may) return readers;
  TRY(auto sources, remote_sources(ledger));
  for (RemoteSource& source : sources) {
    readers.push_back(make_remote_reader(std::move(source), sweeps));
  }
  TRY(auto logical, make_logical_readers(ledger));
  for (auto& reader : logical) readers.push_back(std::move(reader));
  return readers;
}

}  // namespace pgtally
