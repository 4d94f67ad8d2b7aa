#include "audit/staged_reader.h"

#include <fmt/format.h>

#include "postgres/copy.h"
#include "postgres/quote.h"

namespace pgtally {

Result<StagedReader> StagedReader::open(const Ledger& ledger,
                                        std::map<std::int32_t, std::string> names) {
  StagedReader reader(ledger);
  reader.names_ = std::move(names);
  TRY_VOID(
      ledger.connection().execute("SET LOCAL jit = off;"
                                  "SET LOCAL plan_cache_mode = force_custom_plan;"
                                  "SET LOCAL pgtally_session.probe_all_holes = 'on'"));
  // While a round is open its cursor counts up to its own end alone, and what became visible since
  // is the next round's.
  TRY(const auto rows, ledger.query(R"sql(
    SELECT CASE WHEN (c.r).upto IS NOT NULL THEN c.r ELSE
             jsonb_populate_record(c.r, jsonb_build_object('upto', pg_current_snapshot()::text))
           END::text,
           CASE WHEN (c.r).upto IS NOT NULL THEN
             jsonb_populate_record(c.r, jsonb_build_object(
               'round_id', -1, 'since', (c.r).upto::text, 'since_self', (c.r).upto_self::text,
               'upto', pg_current_snapshot()::text, 'upto_self', NULL))
           END::text
      FROM (SELECT pgtally.current_round() AS r) AS c)sql"));
  TRY(reader.this_round_, rows.get<std::string>(0, 0));
  TRY(reader.next_round_, rows.get<std::optional<std::string>>(0, 1));
  return reader;
}

Result<void> StagedReader::read(const std::string& function, const std::string& condition,
                                bool in_rounds, const RowPlaces::TakeStaged& take) const {
  const auto read_round = [&](const std::string& round) -> Result<void> {
    TRY(const auto literal, pg::quote_literal(round));
    TRY(auto copy,
        pg::CopyOut::start(
            ledger_->connection(),
            ledger_->sql(fmt::format(
                "COPY (SELECT s.source_id, s.definition, s.operation, s.key, s.content FROM "
                "pgtally.{}(2147483647, {}::pgtally.round) AS s{}) TO STDOUT (FORMAT binary)",
                function, literal, condition))));
    while (true) {
      TRY(const bool more, copy.next());
      if (!more) return {};
      TRY(const auto source_id, copy.get<std::int32_t>(0));
      const auto name = names_.find(source_id);
      if (name == names_.end()) continue;
      StagedEntry entry;
      entry.source = name->second;
      TRY(const auto definition, copy.get<std::int32_t>(1));
      entry.definition = static_cast<std::uint32_t>(definition);
      TRY(const auto operation, copy.get<std::int16_t>(2));
      entry.operation = static_cast<Operation>(operation);
      TRY(entry.key, copy.get<ByteView>(3));
      TRY(entry.content, copy.get<Hash>(4));
      TRY_VOID(take(entry));
    }
  };
  TRY_VOID(read_round(this_round_));
  if (in_rounds && next_round_) return read_round(*next_round_);
  return {};
}

Result<void> StagedReader::read_staging(const RowPlaces::TakeStaged& take,
                                        std::optional<std::int32_t> source_id) const {
  return read("staged", source_id ? fmt::format(" WHERE s.source_id = {}", *source_id) : "", true,
              take);
}

Result<void> StagedReader::read_feed(std::int32_t source_id, bool in_rounds,
                                     const RowPlaces::TakeStaged& take) const {
  pg::Connection& connection = ledger_->connection();
  TRY_VOID(connection.execute("SAVEPOINT audit_feed"));
  auto done = read(fmt::format("feed_{}", source_id), "", in_rounds, take);
  if (done.ok()) return connection.execute("RELEASE audit_feed");
  TRY_VOID(connection.execute("ROLLBACK TO audit_feed"));
  return done;
}

}  // namespace pgtally
