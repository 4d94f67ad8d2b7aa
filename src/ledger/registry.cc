#include "ledger/registry.h"

#include <fmt/format.h>

#include <thread>

#include "base/encoding.h"
#include "ledger/endpoint.h"
#include "ledger/position_key.h"
#include "ledger/source_plan.h"
#include "ledger/source_text.h"
#include "pgtally/key.h"
#include "postgres/errors.h"
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
  TRY(const auto late, rows.get<std::int64_t>(r, 10));
  info.late_rows = static_cast<std::uint64_t>(late);
  if (!rows.is_null(r, 11)) {
    SourceFailure& failure = info.failure.emplace();
    TRY(failure.message, rows.get<std::string>(r, 11));
    TRY(failure.hint, rows.get<std::string>(r, 12));
    TRY(failure.since, rows.get<Time>(r, 13));
    TRY(failure.attempts, rows.get<std::int32_t>(r, 14));
  }
  TRY(info.place, rows.get<std::optional<std::string>>(r, 15));
  return info;
}

constexpr const char* kSourceRows = R"sql(
  SELECT s.source_id, s.name, s.mode,
         CASE WHEN s.state <> 'active' THEN s.state
              WHEN f.source_id IS NOT NULL THEN 'failing'
              WHEN EXISTS (SELECT FROM pgtally.stream_source AS t
                            WHERE t.source_id = s.source_id AND t.load IS NOT NULL) THEN 'loading'
              WHEN w.last IS NULL AND (s.mode IN ('xid', 'trigger') OR s.sweeps_only)
              THEN 'loading' ELSE 'active' END,
         s.definition, s.blind, coalesce(h.next_ordinals[s.source_id + 1], 0),
         (SELECT coalesce(sum((SELECT count(*) FROM unnest(o.ranges))), 0)::bigint
            FROM pgtally.hole AS o WHERE o.source_id = s.source_id),
         w.last,
         coalesce((SELECT c.high::text FROM pgtally.capture AS c WHERE c.feed = s.source_id
                    ORDER BY c.capture_id DESC LIMIT 1), ''),
         CASE WHEN s.mode = 'poll' AND NOT s.sweeps_only THEN w.found
              WHEN s.mode <> 'poll' THEN w.found_again ELSE 0 END,
         f.message, f.hint, f.since, f.attempts, e.place
    FROM pgtally.source AS s
    CROSS JOIN (SELECT next_ordinals FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1) AS h
    CROSS JOIN LATERAL (
      SELECT max(finished_at) AS last, coalesce(sum(found), 0)::bigint AS found,
             coalesce(sum(found) FILTER (WHERE nth > 1), 0)::bigint AS found_again
        FROM (SELECT finished_at, found, row_number() OVER (ORDER BY sweep_id) AS nth
                FROM pgtally.sweep AS w WHERE w.source_id = s.source_id) AS sweeps) AS w
    LEFT JOIN pgtally.failure AS f ON f.source_id = s.source_id
    LEFT JOIN pgtally.endpoint AS e ON e.endpoint_id = s.endpoint_id
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

Result<std::string> script_of(const Ledger& ledger, const SourcePlan& plan, std::int32_t before,
                              bool with_password) {
  const SourceDefinition& definition = plan.definition;
  TRY(const auto next, next_source_id(ledger));
  const std::int32_t id = next + before;
  TRY(const auto name, pg::quote_literal(definition.source));
  TRY(const auto mode, pg::quote_literal(definition.mode));
  TRY(const auto document, encode(definition));
  std::string writer = "NULL";
  if (!plan.writer.empty()) {
    TRY(writer, pg::quote_literal(plan.writer));
  }
  EndpointText endpoint;
  if (plan.endpoint) {
    TRY(endpoint, endpoint_text(ledger, *plan.endpoint, with_password));
  }
  SourceText text;
  if (plan.table && definition.mode != "logical") {
    TRY(text, source_text(ledger.schema(), id, definition, *plan.table));
  }
  std::string script = fmt::format(
      fmt::runtime(ledger.sql(R"sql(-- Source {name}.
SELECT pgtally.lock_ledger();
{endpoint}INSERT INTO pgtally.source (source_id, name, mode, blind, keep_data, writer, has_feed,
                            track_changes, existing, endpoint_id, sweeps_only)
VALUES ({id}, {name}, {mode}, {blind}, {keep_data}, {writer}, {has_feed},
        {track_changes}, {existing}, {endpoint_id}, {sweeps_only});
SELECT pgtally.define({id}, 0, {document});
)sql")),
      fmt::arg("id", id), fmt::arg("name", name), fmt::arg("mode", mode),
      fmt::arg("blind", definition.blind), fmt::arg("keep_data", plan.keep_data),
      fmt::arg("writer", writer), fmt::arg("has_feed", plan.finds_rows && !plan.endpoint),
      fmt::arg("endpoint", endpoint.statement), fmt::arg("endpoint_id", endpoint.id),
      fmt::arg("sweeps_only", definition.mode == "poll" && !plan.finds_rows),
      fmt::arg("track_changes", plan.track_changes),
      fmt::arg("existing", plan.skip_existing ? "'skip'" : "'record'"),
      fmt::arg("document", bytea_literal(as_bytes(document))));
  if (!plan.writer.empty()) {
    script += fmt::format(
        "-- GRANT what writing to append sources takes; to which of them, policy append_own says.\n"
        "SELECT {}.let_write({});\n",
        ledger.schema(), writer);
  }
  if (definition.blind) {
    script += fmt::format("INSERT INTO {}.secret (source_id, secret) VALUES ({}, {});\n",
                          ledger.schema(), id, kRandomSecret);
  }
  if (plan.mode != nullptr) {
    script += plan.endpoint
                  ? plan.begin_elsewhere(text)
                  : plan.mode->begin(text, plan.skip_existing) + plan.mode->functions(text);
    if (plan.skip_existing) {
      // The first sweep, which would bring them in, counts as done.
      script += fmt::format(
          "INSERT INTO {}.sweep (source_id, finished_at) VALUES ({}, clock_timestamp());\n",
          ledger.schema(), id);
    }
  }
  script += plan.also;
  script +=
      fmt::format("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {} FROM PUBLIC;\n", ledger.schema());
  if (plan.mode != nullptr && plan.table && !plan.endpoint) {
    TRY(const auto owner, ledger.query("SELECT quote_ident(pg_get_userbyid(nspowner)) FROM "
                                       "pg_namespace WHERE nspname = $1",
                                       pg::Params().text(ledger.schema())));
    TRY(const auto role, owner.get<std::string>(0, 0));
    script += fmt::format("SELECT {}.give_functions({});\n", ledger.schema(), id);
    TRY(const auto triggers,
        plan.mode->triggers({text, definition, *plan.table, role, plan.track_changes}));
    script += triggers;
  }
  return script;
}

// One attempt; `busy` says that a table was locked by somebody else.
Result<void> try_script(const Ledger& ledger, const std::string& script, bool& busy) {
  busy = false;
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  if (auto done = ledger.connection().execute(script); !done.ok()) {
    busy = ledger.connection().last_sqlstate() == pg::kLockNotAvailable;
    return done;
  }
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return {};
  return retry("whether the change was committed is not known: " + result.reason,
               "Look with pgtally source list, and run the command again if it is not there.");
}

}  // namespace

Result<std::string> add_script(const Ledger& ledger, const SourcePlan& plan, std::int32_t before) {
  return script_of(ledger, plan, before, false);
}

Result<void> run_script(const Ledger& ledger, const std::string& script, const Patience& patience) {
  bool busy = false;
  for (int attempt = 1;; ++attempt) {
    auto done = try_script(ledger, script, busy);
    if (!busy) return done;
    if (attempt >= patience.attempts) {
      return retry(
          fmt::format("a table was in use by other transactions each of {} times: {}", attempt,
                      done.error().message),
          "Nothing was changed. Writers would queue up behind a longer wait. Run the command "
          "again when the long transaction that holds it has ended (pg_stat_activity).");
    }
    if (patience.waiting) patience.waiting(attempt);
    std::this_thread::sleep_for(patience.pause);
  }
}

Result<void> add_source(const Ledger& ledger, const SourcePlan& plan, const Patience& patience) {
  TRY(const auto script, script_of(ledger, plan, 0, true));
  return run_script(ledger, script, patience);
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

std::string pause_script(const Ledger& ledger, const SourceInfo& source, bool paused) {
  std::string script = fmt::format("SELECT {0}.lock_ledger();\n", ledger.schema());
  if (!paused) {
    script += fmt::format(
        "SELECT {0}.begin_again(source_id) FROM {0}.source\n"
        " WHERE source_id = {1} AND state = 'paused';\n",
        ledger.schema(), source.id);
  }
  if (source.mode == "trigger") {
    script += fmt::format(
        "SET LOCAL lock_timeout = '1s';\n"
        "-- ALTER TABLE … {2} TRIGGER … for each trigger of the source\n"
        "SELECT {0}.switch_triggers({1}, {3});\n",
        ledger.schema(), source.id, paused ? "DISABLE" : "ENABLE ALWAYS", !paused);
  }
  // What is changed meanwhile cannot be read from the table later, and the log says so.
  if (source.mode == "trigger" || source.mode == "logical") {
    script += fmt::format(
        "SELECT {}.notice_about({}, '{}', '{}');\n", ledger.schema(), source.id,
        paused ? "paused" : "resumed",
        paused ? "Changes of its rows are not recorded from here on."
               : "Changes of its rows are recorded again. Those that were made while it was paused "
                 "are not in the log one by one.");
  }
  return script + fmt::format("UPDATE {0}.source SET state = '{1}' WHERE source_id = {2};\n",
                              ledger.schema(), paused ? "paused" : "active", source.id);
}

std::string remove_script(const Ledger& ledger, const SourceInfo& source) {
  return fmt::format(
             "SELECT {0}.lock_ledger();\n"
             "UPDATE {0}.source SET state = 'removed' WHERE source_id = {1};\n"
             "DELETE FROM {0}.hole WHERE source_id = {1};\n"
             "DELETE FROM {0}.barrier WHERE reader = {1};\n"
             "DELETE FROM {0}.failure WHERE source_id = {1};\n"
             "DELETE FROM {0}.sweep WHERE source_id = {1} AND finished_at IS NULL;\n",
             ledger.schema(), source.id) +
         forget_endpoint_text(
             ledger.schema(),
             fmt::format("(SELECT endpoint_id FROM {}.source WHERE source_id = {})",
                         ledger.schema(), source.id)) +
         drop_statements(ledger.schema(), source.id) +
         (source.mode == "append"
              ? fmt::format(
                    "SELECT {0}.stop_writing(writer) FROM {0}.source WHERE source_id = {1};\n",
                    ledger.schema(), source.id)
              : "") +
         (source.mode == "trigger"
              ? fmt::format("DELETE FROM {0}.missed WHERE source_id = {1};\n"
                            "SET LOCAL lock_timeout = '1s';\n"
                            "-- and with it the triggers on the table, which call it\n"
                            "DROP FUNCTION IF EXISTS {0}.trigger_{1}() CASCADE;\n",
                            ledger.schema(), source.id)
              : "");
}

}  // namespace pgtally
