#include "ledger/upgrade.h"

#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "base/encoding.h"
#include "ledger/catalog.h"
#include "ledger/registry.h"
#include "ledger/source_text.h"
#include "ledger/sql_text.h"
#include "postgres/errors.h"
#include "postgres/quote.h"
#include "postgres/transaction.h"

namespace pgtally {
namespace {

// Half of PostgreSQL's deadlock_timeout: where we and an application wait for each other, it is we
// who give up.
constexpr const char* kLockTimeout = "500ms";
constexpr int kAttempts = 60;
constexpr std::chrono::milliseconds kPause{500};

struct Owner {
  std::string name;  // quoted
  SchemaNames names;
};

// Everything in the schema belongs to one role, whoever runs the upgrade.
Result<Owner> read_owner(const Ledger& ledger) {
  TRY(const auto rows, ledger.query(R"sql(
    SELECT n.nspowner::regrole::text, pg_has_role(n.nspowner, 'MEMBER'), s.writer::text,
           current_user::text
      FROM pg_namespace AS n, pgtally.source AS s WHERE n.nspname = $1 AND s.source_id = 1)sql",
                                    pg::Params().text(ledger.schema())));
  if (rows.empty()) return tampered("source 1, the staging table, is missing from the registry");
  Owner owner;
  TRY(owner.name, rows.get<std::string>(0, 0));
  TRY(const bool is_member, rows.get<bool>(0, 1));
  TRY(const auto writer, rows.get<std::optional<std::string>>(0, 2));
  TRY(const auto user, rows.get<std::string>(0, 3));
  if (!is_member) {
    return operator_error(
        fmt::format("the ledger belongs to {}, and user {} may not act for it", owner.name, user),
        "Upgrade as the owner, or as a superuser.");
  }
  owner.names.schema = ledger.schema();
  // Roles keep their names when the database gets another one.
  constexpr std::string_view kWriter = "_writer";
  if (writer && writer->ends_with(kWriter)) {
    const std::string stem = writer->substr(0, writer->size() - kWriter.size());
    owner.names.writer = *writer;
    owner.names.sequencer = stem + "_sequencer";
    owner.names.reader = stem + "_reader";
    TRY(const auto missing,
        ledger.connection().query(
            "SELECT r FROM unnest($1::text[]) AS r WHERE to_regrole(quote_ident(r)) IS NULL",
            pg::Params().text_array(std::vector<std::string>{
                owner.names.writer, owner.names.sequencer, owner.names.reader})));
    if (!missing.empty()) {
      TRY(const auto role, missing.get<std::string>(0, 0));
      return operator_error("role " + quoted(role) + ", which the ledger granted to, is gone",
                            "Create it again: CREATE ROLE \"" + role + "\" NOLOGIN");
    }
  }
  return owner;
}

// Which sources there are, with which definitions: what the script was made for.
constexpr const char* kRegistry =
    "(SELECT string_agg(format('%s:%s:%s', source_id, definition, state), ' ' ORDER BY source_id)"
    " FROM pgtally.source)";

Result<std::string> preamble(const Ledger& ledger, const Owner& owner) {
  TRY(const auto rows, ledger.query(std::string("SELECT ") + kRegistry));
  TRY(const auto registry, rows.get<std::string>(0, 0));
  TRY(const auto registry_literal, pg::quote_literal(registry));
  return fmt::format(fmt::runtime(ledger.sql(R"sql(-- From schema version {from} to {to}.
SET LOCAL search_path = pg_catalog;
SELECT pgtally.lock_ledger();
DO $check$ BEGIN
  IF (SELECT schema_version FROM pgtally.ledger) <> {from}
     OR {registry} <> {expected}
  THEN
    RAISE EXCEPTION 'the ledger has changed since this script was made'
      USING HINT = 'Make it again: pgtally upgrade --print-sql';
  END IF;
END $check$;
-- What a superuser has added to the schema goes to its owner.
DO $owner$ DECLARE command text; BEGIN
  FOR command IN
    SELECT format('ALTER ROUTINE %s OWNER TO %s', p.oid::regprocedure, n.nspowner::regrole)
      FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
     WHERE n.nspname = {schema} AND p.proowner <> n.nspowner
  LOOP
    EXECUTE command;
  END LOOP;
END $owner$;
SET LOCAL ROLE {owner};
-- No writer waits while this waits for a vacuum, perhaps, and makes it give way.
SET LOCAL lock_timeout = '5s';
LOCK TABLE pgtally.append_only_log IN SHARE UPDATE EXCLUSIVE MODE;
-- Whoever appends reads the registry, so nothing from here on waits for long.
SET LOCAL lock_timeout = '{timeout}';
)sql")),
                     fmt::arg("from", ledger.schema_version()), fmt::arg("to", kSchemaVersion),
                     fmt::arg("registry", ledger.sql(kRegistry)),
                     fmt::arg("expected", registry_literal),
                     fmt::arg("schema", "'" + ledger.schema() + "'"), fmt::arg("owner", owner.name),
                     fmt::arg("timeout", kLockTimeout));
}

const CaptureMode* mode_of(CaptureModes modes, const std::string& name) {
  for (const CaptureMode* mode : modes) {
    if (mode->name() == name) return mode;
  }
  return nullptr;
}

// The functions that `source add` made, as it would make them today.
Result<std::string> capture_functions(const Ledger& ledger, CaptureModes modes,
                                      const std::string& owner, UpgradePlan& plan) {
  // By way of jsonb, because a ledger that is not upgraded yet lacks the later columns.
  TRY(const auto rows, ledger.query(R"sql(
    SELECT s.source_id, s.name, s.mode, s.definition,
           coalesce((to_jsonb(s) ->> 'track_changes')::bool, false),
           (SELECT bool_or(t.tgnewtable IS NOT NULL)
              FROM pg_trigger AS t JOIN pg_proc AS f ON f.oid = t.tgfoid
             WHERE f.proname = format('trigger_%s', s.source_id)
               AND f.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1))
      FROM pgtally.source AS s
     WHERE s.state <> 'removed' AND s.mode NOT IN ('ledger', 'append')
       AND to_jsonb(s) ->> 'endpoint_id' IS NULL
     ORDER BY s.source_id)sql",
                                    pg::Params().text(ledger.schema())));
  std::string script;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto id, rows.get<std::int32_t>(r, 0));
    TRY(const auto name, rows.get<std::string>(r, 1));
    TRY(const auto mode_name, rows.get<std::string>(r, 2));
    TRY(const auto number, rows.get<std::int32_t>(r, 3));
    const CaptureMode* mode = mode_of(modes, mode_name);
    if (mode == nullptr) return operator_error("source " + name + " has unknown mode " + mode_name);
    TRY(const auto definition, read_definition(ledger, id, static_cast<std::uint32_t>(number)));
    const auto shape = describe_table(ledger.connection(), definition.relation);
    const auto text = shape.ok() ? source_text(ledger.schema(), id, definition, *shape)
                                 : Result<SourceText>(shape.error());
    if (!text.ok()) {
      plan.left_as_is.push_back(name + ": " + text.error().message);
      continue;
    }
    plan.sources.push_back(name);
    script += "-- Source " + name + ".\n" + mode->functions(*text);
    TRY(const bool track_changes, rows.get<bool>(r, 4));
    TRY(const auto by_statement, rows.get<std::optional<bool>>(r, 5));
    TRY(const auto triggers,
        mode->trigger_functions({*text, definition, *shape, owner, track_changes, by_statement}));
    script += triggers;
  }
  return script;
}

// Who keeps the tables that the upgrade has to alter.
Error held_up(const Ledger& ledger) {
  std::string hint = "Try again when it is quieter.";
  const auto rows = ledger.query(R"sql(
    SELECT format('Process %s (user %s, application "%s", %s) has been in a transaction for %s.',
                  a.pid, a.usename, a.application_name, a.state,
                  date_trunc('second', clock_timestamp() - a.xact_start))
      FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
     WHERE l.granted AND l.relation = 'pgtally.source'::regclass
       AND l.pid <> pg_backend_pid()
     ORDER BY a.xact_start LIMIT 1)sql");
  if (rows.ok() && !rows->empty()) {
    const auto who = rows->get<std::string>(0, 0);
    if (who.ok()) hint = *who + "\n" + hint;
  }
  return retry(fmt::format("other transactions held the ledger's registry in each of {} attempts",
                           kAttempts),
               hint);
}

// Nothing if somebody else holds what is needed.
Result<std::optional<UpgradePlan>> attempt(const Ledger& ledger, CaptureModes modes) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  TRY_VOID(ledger.execute("SELECT pgtally.lock_ledger()"));
  TRY(auto plan, plan_upgrade(ledger, modes));
  if (const auto run = ledger.connection().execute(plan.script); !run.ok()) {
    const std::string_view state = ledger.connection().last_sqlstate();
    if (state == pg::kLockNotAvailable || state == "40P01") return std::optional<UpgradePlan>{};
    return run.error().within("upgrading");
  }
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return std::optional(std::move(plan));
  return retry("whether the upgrade was committed is not known: " + result.reason, "Run it again.");
}

}  // namespace

Result<UpgradePlan> plan_upgrade(const Ledger& ledger, CaptureModes modes) {
  UpgradePlan plan;
  plan.from = ledger.schema_version();
  if (plan.from > kSchemaVersion) {
    return operator_error(
        fmt::format("the ledger's schema is of version {}, this program brings {}", plan.from,
                    kSchemaVersion),
        "It needs no upgrade from this program. Install the newer pgtally.");
  }
  TRY(const Owner owner, read_owner(ledger));
  TRY(plan.script, preamble(ledger, owner));
  std::string sql;
  const auto& migrations = sql_migrations();
  if (plan.from < kSchemaVersion) sql = "LOCK TABLE pgtally.source IN ACCESS EXCLUSIVE MODE;\n";
  for (auto at = static_cast<std::size_t>(plan.from); at < migrations.size(); ++at) {
    plan.migrations.emplace_back(migrations[at].name);
    sql += migrations[at].text;
  }
  for (const SqlFile& file : sql_functions()) {
    if (owner.names.has_roles() || file.name != "grants.sql") sql += file.text;
  }
  plan.script += adapted(sql, owner.names);
  TRY(const auto functions, capture_functions(ledger, modes, owner.name, plan));
  // A right that a table has lost since is its source's trouble, not the upgrade's.
  plan.script += "SET LOCAL check_function_bodies = off;\n" + functions;
  plan.script +=
      fmt::format(fmt::runtime(ledger.sql(R"sql(
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtally FROM PUBLIC;
SELECT pgtally.let_write(w.writer)
  FROM (SELECT DISTINCT writer FROM pgtally.source WHERE state <> 'removed') AS w
  JOIN pg_roles AS r ON r.rolname = w.writer;
UPDATE pgtally.ledger
   SET schema_version = {version}, oldest_version = greatest(oldest_version, {oldest});
)sql")),
                  fmt::arg("version", kSchemaVersion), fmt::arg("oldest", kOldestProgramVersion));
  return plan;
}

Result<UpgradePlan> upgrade_ledger(const Ledger& ledger, CaptureModes modes) {
  TRY([[maybe_unused]] const Owner owner, read_owner(ledger));
  for (int i = 0; i < kAttempts; ++i) {
    if (i > 0) std::this_thread::sleep_for(kPause);
    TRY(auto done, attempt(ledger, modes));
    if (done) return *std::move(done);
  }
  return held_up(ledger);
}

}  // namespace pgtally
