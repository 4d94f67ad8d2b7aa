#include "ledger/registry.h"

#include <fmt/format.h>

#include "base/encoding.h"
#include "ledger/source_plan.h"
#include "ledger/source_text.h"
#include "pgtally/key.h"
#include "postgres/quote.h"
#include "postgres/transaction.h"

namespace pgtally {
namespace {

Result<std::int32_t> next_source_id(const Ledger& ledger) {
  TRY(const auto rows, ledger.query("SELECT max(source_id) + 1 FROM pgtally.source"));
  return rows.get<std::int32_t>(0, 0);
}

Result<SourceInfo> source_at(const pg::Rows& rows, std::size_t r) {
  SourceInfo info;
  TRY(info.id, rows.get<std::int32_t>(r, 0));
  TRY(info.name, rows.get<std::string>(r, 1));
  TRY(info.mode, rows.get<std::string>(r, 2));
  TRY(info.state, rows.get<std::string>(r, 3));
  TRY(const auto definition, rows.get<std::int32_t>(r, 4));
  info.definition = static_cast<std::uint32_t>(definition);
  TRY(info.blind, rows.get<bool>(r, 5));
  TRY(const auto entries, rows.get<std::int64_t>(r, 6));
  info.entries = static_cast<std::uint64_t>(entries);
  TRY(info.open_holes, rows.get<std::int64_t>(r, 7));
  TRY(const auto swept, rows.get<Time>(r, 8));
  if (swept.microseconds != Time::kNone) info.last_sweep = swept;
  TRY(info.last_key, rows.get<std::string>(r, 9));
  return info;
}

constexpr const char* kSourceRows = R"sql(
  SELECT s.source_id, s.name, s.mode,
         CASE WHEN s.state = 'active' AND w.last IS NULL
                   AND (s.mode = 'xid' OR s.mode = 'poll' AND NOT s.has_feed)
              THEN 'loading' ELSE s.state END,
         s.definition, s.blind, coalesce(h.next_ordinals[s.source_id + 1], 0),
         (SELECT coalesce(sum((SELECT count(*) FROM unnest(o.ranges))), 0)::bigint
            FROM pgtally.hole AS o WHERE o.source_id = s.source_id),
         w.last,
         coalesce((SELECT c.high::text FROM pgtally.capture AS c WHERE c.feed = s.source_id
                    ORDER BY c.capture_id DESC LIMIT 1), '')
    FROM pgtally.source AS s
    CROSS JOIN (SELECT next_ordinals FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1) AS h
    LEFT JOIN LATERAL (SELECT max(finished_at) AS last FROM pgtally.sweep AS w
                        WHERE w.source_id = s.source_id) AS w ON true
   WHERE s.source_id > 0)sql";

// From the last entries only: a source that was quiet for longer would cost a scan of the whole log.
// Of a polled one the highest key is known in any case.
Result<void> add_last_keys(const Ledger& ledger, std::vector<SourceInfo>& sources) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT DISTINCT ON (source_id) source_id, key FROM pgtally.processed_log
     WHERE operation <= 3
       AND id >= (SELECT next_id - 10000 FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1)
     ORDER BY source_id, id DESC)sql"));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto id, rows.get<std::int32_t>(r, 0));
    TRY(const auto bytes, rows.get<ByteView>(r, 1));
    TRY(const auto key, decode_key(bytes));
    for (SourceInfo& source : sources) {
      if (source.id == id) source.last_key = fmt::format("{}", fmt::join(key.columns, " "));
    }
  }
  return {};
}

// The functions that CaptureMode::functions() made, whichever there are.
std::string drop_statements(const std::string& schema, std::int32_t source_id) {
  return fmt::format(
      "DROP FUNCTION IF EXISTS {0}.feed_{1}(integer, {0}.round);\n"
      "DROP FUNCTION IF EXISTS {0}.waiting_{1}(integer, {0}.round);\n"
      "DROP FUNCTION IF EXISTS {0}.sweep_{1}(text[], integer);\n",
      schema, source_id);
}

}  // namespace

Result<std::string> add_script(const Ledger& ledger, const SourcePlan& plan) {
  const SourceDefinition& definition = plan.definition;
  TRY(const auto id, next_source_id(ledger));
  TRY(const auto name, pg::quote_literal(definition.source));
  TRY(const auto mode, pg::quote_literal(definition.mode));
  TRY(const auto document, encode(definition));
  std::string writer = "NULL";
  if (!plan.writer.empty()) {
    TRY(writer, pg::quote_literal(plan.writer));
  }
  SourceText text;
  if (plan.table) {
    TRY(text, source_text(ledger.schema(), id, definition, *plan.table));
  }
  std::string script =
      fmt::format(fmt::runtime(ledger.sql(R"sql(-- Source {name}.
SELECT pgtally.lock_ledger();
INSERT INTO pgtally.source (source_id, name, mode, blind, keep_data, writer, has_feed)
VALUES ({id}, {name}, {mode}, {blind}, {keep_data}, {writer}, {finds_rows});
SELECT pgtally.define({id}, 0, {document});
)sql")),
                  fmt::arg("id", id), fmt::arg("name", name), fmt::arg("mode", mode),
                  fmt::arg("blind", definition.blind), fmt::arg("keep_data", plan.keep_data),
                  fmt::arg("writer", writer), fmt::arg("finds_rows", plan.finds_rows),
                  fmt::arg("document", bytea_literal(as_bytes(document))));
  if (definition.blind) {
    script += fmt::format("INSERT INTO {}.secret (source_id, secret) VALUES ({}, {});\n",
                          ledger.schema(), id, kRandomSecret);
  }
  if (plan.mode != nullptr) script += plan.mode->begin(text) + plan.mode->functions(text);
  return script + fmt::format("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {} FROM PUBLIC;\n",
                              ledger.schema());
}

Result<void> run_script(const Ledger& ledger, const std::string& script) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  TRY_VOID(ledger.connection().execute(script));
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return {};
  return retry("whether the change was committed is not known: " + result.reason,
               "Look with pgtally source list, and run the command again if it is not there.");
}

Result<void> add_source(const Ledger& ledger, const SourcePlan& plan) {
  TRY(const auto script, add_script(ledger, plan));
  return run_script(ledger, script);
}

Result<std::vector<SourceInfo>> list_sources(const Ledger& ledger, bool removed) {
  TRY(const auto rows,
      ledger.query(
          std::string(kSourceRows) + " AND ($1::bool OR s.state <> 'removed') ORDER BY s.source_id",
          pg::Params().boolean(removed)));
  std::vector<SourceInfo> sources;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(auto info, source_at(rows, r));
    sources.push_back(std::move(info));
  }
  TRY_VOID(add_last_keys(ledger, sources));
  return sources;
}

Result<SourceInfo> find_source(const Ledger& ledger, const std::string& name) {
  TRY(const auto rows,
      ledger.query(std::string(kSourceRows) + " AND s.name = $1", pg::Params().text(name)));
  if (rows.empty()) {
    return reject("there is no source " + quoted(name), "pgtally source list shows the sources.");
  }
  return source_at(rows, 0);
}

Result<SourceDefinition> read_definition(const Ledger& ledger, std::int32_t source_id,
                                         std::optional<std::uint32_t> number) {
  TRY(const auto rows,
      ledger.query(
          "SELECT document FROM pgtally.definition WHERE source_id = $1 AND ($2 < 0 OR "
          "number = $2) ORDER BY number DESC LIMIT 1",
          pg::Params().int4(source_id).int4(number ? static_cast<std::int32_t>(*number) : -1)));
  if (rows.empty()) {
    return tampered("the definition of source " + std::to_string(source_id) + " is missing");
  }
  TRY(const auto document, rows.get<ByteView>(0, 0));
  return decode_source_definition(as_text(document));
}

Result<std::vector<std::string>> check_source(const Ledger& ledger, const SourceInfo& source) {
  std::vector<std::string> problems;
  if (source.mode == "append") return problems;
  TRY(const auto definition, read_definition(ledger, source.id));
  auto shape = describe_table(ledger.connection(), definition.relation);
  if (!shape.ok()) {
    problems.push_back(shape.error().message);
    return problems;
  }
  for (const ColumnDefinition& column : definition.columns) {
    const TableColumn* now = shape->column(column.name);
    if (now == nullptr) {
      problems.push_back("column " + quoted(column.name) + " is gone");
    } else if (now->type != column.type || now->typmod != column.typmod) {
      problems.push_back("column " + quoted(column.name) + " was " + column.type + " and is " +
                         now->type + " now, or of another length or precision");
    }
  }
  auto key = check_key(*shape, definition.key);
  if (!key.ok()) problems.push_back(key.error().message);
  TRY(const auto rights,
      ledger.query("SELECT has_table_privilege((SELECT nspowner::regrole FROM "
                   "pg_namespace WHERE nspname = $1)::text, $2::bigint::oid, 'SELECT')",
                   pg::Params().text(ledger.schema()).int8(shape->oid)));
  TRY(const bool may_read, rights.get<bool>(0, 0));
  if (!may_read)
    problems.push_back("the ledger's owner may not SELECT from " + definition.relation);
  return problems;
}

std::string pause_script(const Ledger& ledger, const SourceInfo& source, bool paused) {
  std::string script = fmt::format("SELECT {0}.lock_ledger();\n", ledger.schema());
  if (!paused && source.mode == "xid") {
    // Rounds went by without this source. It begins anew, as if it had just been added: what is there
    // now is left to a first sweep, which knows what is in the log already.
    script += fmt::format(
        "INSERT INTO {0}.capture (feed, baseline, baseline_self)\n"
        "SELECT source_id, pg_current_snapshot(), pg_current_xact_id() FROM {0}.source\n"
        " WHERE source_id = {1} AND state = 'paused';\n"
        "DELETE FROM {0}.sweep WHERE source_id = {1}\n"
        "   AND EXISTS (SELECT FROM {0}.source WHERE source_id = {1} AND state = 'paused');\n",
        ledger.schema(), source.id);
  }
  return script + fmt::format("UPDATE {0}.source SET state = '{1}' WHERE source_id = {2};\n",
                              ledger.schema(), paused ? "paused" : "active", source.id);
}

std::string remove_script(const Ledger& ledger, const SourceInfo& source) {
  return fmt::format(
             "SELECT {0}.lock_ledger();\n"
             "UPDATE {0}.source SET state = 'removed' WHERE source_id = {1};\n"
             "DELETE FROM {0}.hole WHERE source_id = {1};\n"
             "DELETE FROM {0}.sweep WHERE source_id = {1} AND finished_at IS NULL;\n",
             ledger.schema(), source.id) +
         drop_statements(ledger.schema(), source.id);
}

}  // namespace pgtally
