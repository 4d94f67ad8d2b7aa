#include "capture/uninstall.h"

#include <fmt/format.h>

#include "capture/logical_setup.h"
#include "ledger/registry.h"
#include "ledger/sql_text.h"
#include "postgres/errors.h"
#include "postgres/quote.h"
#include "postgres/transaction.h"

namespace pgtally {
namespace {

// Views, defaults, functions, policies and foreign keys of others that use what is in the schema.
// Triggers are left out: those on the users' tables are the ledger's own.
Result<void> check_dependants(const Ledger& ledger) {
  TRY(const auto rows, ledger.connection().query(R"sql(
    WITH mine AS (
      SELECT 'pg_class'::regclass::oid AS classid, oid FROM pg_class WHERE relnamespace = to_regnamespace($1)
      UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = to_regnamespace($1)
      UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = to_regnamespace($1)
    ), dependant AS (
      SELECT DISTINCT d.classid, d.objid, d.objsubid
        FROM mine JOIN pg_depend AS d ON d.refclassid = mine.classid AND d.refobjid = mine.oid
    ), placed AS (
      SELECT d.*, coalesce(
               (SELECT relnamespace FROM pg_class WHERE d.classid = 'pg_class'::regclass AND oid = d.objid),
               (SELECT pronamespace FROM pg_proc WHERE d.classid = 'pg_proc'::regclass AND oid = d.objid),
               (SELECT connamespace FROM pg_constraint WHERE d.classid = 'pg_constraint'::regclass AND oid = d.objid),
               (SELECT c.relnamespace FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class
                 WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid),
               (SELECT c.relnamespace FROM pg_attrdef AS a JOIN pg_class AS c ON c.oid = a.adrelid
                 WHERE d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid),
               (SELECT c.relnamespace FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
                 WHERE d.classid = 'pg_policy'::regclass AND p.oid = d.objid)) AS namespace
        FROM dependant AS d
    )
    SELECT pg_describe_object(classid, objid, objsubid) FROM placed
     WHERE namespace NOT IN (to_regnamespace($1), 'pg_toast'::regnamespace) ORDER BY 1)sql",
                                                 pg::Params().text(ledger.schema())));
  if (rows.empty()) return {};
  std::string list;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(const auto object, rows.get<std::string>(r, 0));
    list += "\n  " + object;
  }
  return reject("objects outside of schema " + ledger.schema() + " depend on the ledger",
                "They would go with it. Drop or change them first:" + list);
}

Result<void> read_roles(const Ledger& ledger, UninstallPlan& plan) {
  // A ledger of an earlier version has no such column.
  TRY(const auto made, ledger.query("SELECT coalesce(to_jsonb(l) ->> 'roles', ''), "
                                    "current_database()::text FROM pgtally.ledger AS l"));
  TRY(const auto how, made.get<std::string>(0, 0));
  TRY(const auto database, made.get<std::string>(0, 1));
  const SchemaNames names = with_roles(database, ledger.schema());
  const std::vector<std::string> roles{names.writer, names.sequencer, names.reader};
  TRY(const auto rows, ledger.query("SELECT rolname::text FROM pg_roles WHERE rolname = ANY($1) "
                                    "ORDER BY rolname",
                                    pg::Params().text_array(roles)));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(auto role, rows.get<std::string>(r, 0));
    (how == "create" ? plan.roles : plan.left_roles).push_back(std::move(role));
  }
  return {};
}

Result<std::string> trigger_script(const Ledger& ledger, UninstallPlan& plan) {
  TRY(const auto sources, list_sources(ledger));
  std::string script;
  for (const SourceInfo& source : sources) {
    if (source.id <= 1) continue;
    plan.sources.push_back(source.name);
    // Of the other modes all is in the schema, and goes with it.
    if (source.mode == "trigger") script += remove_script(ledger, source);
  }
  return script;
}

}  // namespace

Result<UninstallPlan> plan_uninstall(const Ledger& ledger) {
  UninstallPlan plan;
  TRY_VOID(check_dependants(ledger));
  TRY_VOID(read_roles(ledger, plan));
  TRY(const auto head,
      ledger.query("SELECT next_id FROM pgtally.log_head ORDER BY head_id DESC LIMIT 1"));
  TRY(const auto entries, head.get<std::int64_t>(0, 0));
  plan.entries = static_cast<std::uint64_t>(entries);
  // The first statement: a sequencer that is at work ends its batch before anything goes. Whoever
  // holds one of the users' tables is not waited for long, because writers queue up behind that.
  plan.script =
      "SET LOCAL client_min_messages = warning;\nSET LOCAL lock_timeout = '5s';\nSELECT " +
      ledger.schema() + ".lock_ledger();\n";
  if (ledger.schema_version() >= 2) {
    TRY(plan.streams, read_streams(ledger));
    TRY(const auto triggers, trigger_script(ledger, plan));
    plan.script += triggers;
  }
  TRY(const auto schema, pg::quote_identifier(ledger.schema()));
  plan.script += "DROP SCHEMA " + schema + " CASCADE;\n";
  for (const std::string& role : plan.roles) {
    TRY(const auto name, pg::quote_identifier(role));
    plan.script += "DROP ROLE " + name + ";\n";
  }
  return plan;
}

Result<std::string> drop_script(const Stream& stream) {
  TRY(const auto slot, pg::quote_literal(stream.slot));
  TRY(const auto all, pg::quote_identifier(stream.publication));
  TRY(const auto inserts, pg::quote_identifier(stream.insert_publication));
  return fmt::format(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {};\n"
      "DROP PUBLICATION IF EXISTS {}, {};\n",
      slot, all, inserts);
}

Result<void> uninstall(const Ledger& ledger, const UninstallPlan& plan) {
  TRY(auto transaction, pg::Transaction::begin(ledger.connection()));
  auto done = ledger.connection().execute(plan.script);
  if (!done.ok() && ledger.connection().last_sqlstate() == pg::kLockNotAvailable) {
    return retry(
        "somebody holds the ledger, or a table with a trigger of it: " + done.error().message,
        "Nothing was removed. Stop the service, and try again.");
  }
  if (!done.ok()) return done;
  for (const Stream& stream : plan.streams) {
    TRY(auto source, open_source(stream.conninfo));
    TRY_VOID(drop_objects(source, stream));
  }
  const pg::CommitResult result = transaction.commit();
  if (result.outcome == pg::CommitOutcome::kCommitted) return {};
  return retry("whether the ledger was removed is not known: " + result.reason,
               "Run the command again.");
}

}  // namespace pgtally
