#include "ledger/trigger_check.h"

#include <fmt/format.h>

namespace pgtally {

Result<std::vector<std::string>> check_triggers(const Ledger& ledger, std::int32_t source_id,
                                                bool paused, const TableShape& shape) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT coalesce(bool_or(t.tgtype & 4 <> 0), false),
           coalesce(bool_or(t.tgtype & 24 <> 0), false),
           coalesce(bool_or(t.tgtype & 32 <> 0), false),
           coalesce(bool_or(t.tgenabled <> 'A'), false),
           coalesce(bool_or(t.tgtype & 5 = 4), false), coalesce(bool_or(t.tgnewtable IS NOT NULL), false),
           ARRAY(SELECT quote_ident(o.tgname) FROM pg_trigger AS o
                  WHERE o.tgrelid = $2::int8::oid AND NOT o.tgisinternal AND o.tgtype & 70 = 4
                    AND o.tgname < min(t.tgname) AND o.tgname !~ '^00_.+_[0-9]+_(insert|change|truncate)$' ORDER BY 1),
           (SELECT s.track_changes FROM pgtally.source AS s WHERE s.source_id = $1)
      FROM pg_trigger AS t
     WHERE t.tgrelid = $2::int8::oid
       AND t.tgfoid = to_regprocedure(format('pgtally.trigger_%s()', $1::int4)))sql",
                                    pg::Params().int4(source_id).int8(shape.oid)));
  TRY(const bool inserts, rows.get<bool>(0, 0));
  TRY(const bool changes, rows.get<bool>(0, 1));
  TRY(const bool truncates, rows.get<bool>(0, 2));
  TRY(const bool some_disabled, rows.get<bool>(0, 3));
  TRY(const bool by_statement, rows.get<bool>(0, 4));
  TRY(const bool by_table, rows.get<bool>(0, 5));
  TRY(const auto earlier, rows.get<std::vector<std::string>>(0, 6));
  TRY(const bool tracks, rows.get<bool>(0, 7));
  std::vector<std::string> problems;
  if (!inserts || (tracks && !(changes && truncates))) {
    problems.push_back("triggers of the source are missing from " + shape.qualified +
                       "; remove it, and add it under another name");
  }
  if (some_disabled && !paused) {
    problems.push_back(
        "triggers of the source are disabled, or do not fire ALWAYS; pause and resume "
        "it: a sweep then finds what was inserted meanwhile");
  }
  if (by_table && (!shape.ancestors.empty() || shape.is_subscribed)) {
    problems.push_back(shape.qualified +
                       " has become a partition or a subscriber, whose rows reach it past the "
                       "source's trigger for whole statements; remove it, and add it under another "
                       "name");
  }
  if (by_statement && tracks && shape.has_after_triggers) {
    problems.push_back(
        shape.qualified +
        " has got row triggers of its own since the source was added; what they change "
        "in the statement that inserts a row is recorded before the insert. Pause the source and "
        "resume it as the table's owner: it then takes inserts ahead of them");
  }
  if (tracks && !earlier.empty()) {
    problems.push_back(
        fmt::format("trigger {0} of {1} fires before those of the source, since triggers fire in "
                    "the order of their "
                    "names; what it changes is recorded before the insert. Run: ALTER TRIGGER {0} "
                    "ON {1} RENAME TO …",
                    earlier.front(), shape.qualified));
  }
  return problems;
}

}  // namespace pgtally
