#include "ledger/source_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "ledger/mode_choice.h"
#include "ledger/other_database.h"
#include "ledger/registered.h"
#include "ledger/sql_text.h"
#include "pgtally/entry.h"

namespace pgtally {
namespace {

bool contains(const std::vector<std::string>& list, const std::string& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<const TableColumn*> require_column(const TableShape& table, const std::string& name) {
  const TableColumn* column = table.column(name);
  if (column != nullptr) return column;
  std::vector<std::string> names;
  for (const TableColumn& c : table.columns) names.push_back(c.name);
  return reject("there is no column " + quoted(name) + " in " + table.qualified,
                "Its columns: " + joined(names));
}

Result<void> check_relation(const SourcePlace& place, const TableShape& table) {
  if (table.kind != 'r' && table.kind != 'p') {
    return reject(table.qualified + " is not a table that rows are stored in",
                  "Views and foreign tables cannot be sources; add the table behind them.");
  }
  if (table.persistence == 't') {
    return reject(table.qualified + " is a temporary table, which other sessions cannot read");
  }
  if (table.persistence == 'u') {
    return reject(table.qualified + " is unlogged: a crash empties it",
                  "Run ALTER TABLE " + table.qualified + " SET LOGGED first.");
  }
  if (!table.unfit_parts.empty()) {
    return reject("partitions of " + table.qualified +
                      " are unlogged or foreign tables: " + joined(table.unfit_parts),
                  "Detach them, or make its other partitions sources of their own.");
  }
  if (table.has_heirs) {
    return reject("other tables inherit from " + table.qualified +
                      ", and its keys are not unique among their rows",
                  "Take their inheritance away (ALTER TABLE … NO INHERIT), or use partitions.");
  }
  if (!place.remote && table.schema == place.schema) {
    return reject(table.qualified + " belongs to the ledger itself");
  }
  if (table.schema == "pg_catalog" || table.schema == "information_schema") {
    return reject(table.qualified + " is a system table, which no capture mode sees changing");
  }
  return {};
}

// That whoever reads the table later sees all of it.
Result<void> check_reader(const SourcePlace& place, const TableShape& table) {
  TRY(const auto rows, place.connection->query(R"sql(
    SELECT has_schema_privilege(r.oid, c.relnamespace, 'USAGE'),
           has_table_privilege(r.oid, c.oid, 'SELECT'),
           c.relrowsecurity AND NOT r.rolsuper AND NOT r.rolbypassrls
             AND (c.relforcerowsecurity OR NOT pg_has_role(r.oid, c.relowner, 'USAGE')),
           quote_ident(n.nspname), quote_ident(r.rolname)
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace, pg_roles AS r
     WHERE c.oid = $1::oid AND r.rolname = $2)sql",
                                               pg::Params().int8(table.oid).text(place.reader)));
  if (rows.empty()) return operator_error("there is no role " + quoted(place.reader));
  TRY(const bool may_enter, rows.get<bool>(0, 0));
  TRY(const bool may_read, rows.get<bool>(0, 1));
  TRY(const bool is_filtered, rows.get<bool>(0, 2));
  TRY(const auto schema, rows.get<std::string>(0, 3));
  TRY(const auto role, rows.get<std::string>(0, 4));
  if (!may_enter || !may_read) {
    std::string sql;
    if (!may_enter) sql += "GRANT USAGE ON SCHEMA " + schema + " TO " + role + ";\n";
    if (!may_read) sql += "GRANT SELECT ON " + table.qualified + " TO " + role + ";\n";
    return operator_error(
        "role " + role + ", which reads for the ledger, may not read " + table.qualified,
        "Let the table's owner run:\n" + sql);
  }
  if (is_filtered) {
    return operator_error("row level security hides rows of " + table.qualified + " from role " +
                              role + ", which reads for the ledger",
                          "Let an administrator run: ALTER ROLE " + role + " BYPASSRLS;");
  }
  return {};
}

Result<void> decide_mode(const SourcePlace& place, CaptureModes modes, const TableShape& table,
                         const SourceRequest& request, SourcePlan& plan) {
  ModeQuestion question{table, place.server, plan.definition.key, place.remote,
                        request.track_changes};
  for (const TableColumn& column : table.columns) {
    const bool is_left_out =
        contains(request.exclude, column.name) ||
        (!request.columns.empty() && !contains(request.columns, column.name)) ||
        (!request.hash_column.empty() && column.name != request.hash_column);
    if (!is_left_out && !column.generated) question.covered.push_back(column.name);
  }
  TRY(ModeChoice choice, choose_mode(modes, question, request.mode));
  plan.mode = choice.mode;
  plan.definition.mode = choice.mode->name();
  plan.why = std::move(choice.why);
  plan.track_changes = choice.track_changes;
  plan.warnings = std::move(choice.warnings);
  return {};
}

// The key that was asked for, or the one that the table has.
Result<void> decide_key(const TableShape& table, const SourceRequest& request, SourcePlan& plan) {
  if (!request.key.empty()) {
    plan.definition.key = request.key;
    return check_key(table, request.key);
  }
  TRY(KeyChoice choice, choose_key(table));
  plan.definition.key = std::move(choice.columns);
  plan.key_why = std::move(choice.why);
  return {};
}

Result<void> choose_columns(const TableShape& table, const SourceRequest& request,
                            SourcePlan& plan) {
  if (!request.columns.empty() && !request.exclude.empty()) {
    return reject("--columns and --exclude do not go together", "Give one of them.");
  }
  for (const auto* names : {&request.columns, &request.exclude}) {
    for (const std::string& name : *names) {
      TRY([[maybe_unused]] const TableColumn* column, require_column(table, name));
    }
  }
  SourceDefinition& definition = plan.definition;
  if (!request.hash_column.empty()) {
    if (!request.columns.empty() || !request.exclude.empty()) {
      return reject("--hash-column stands for the whole content",
                    "Leave --columns and --exclude out.");
    }
    TRY(const TableColumn* column, require_column(table, request.hash_column));
    if (column->type != "bytea" || !column->not_null) {
      return reject("a hash column is bytea NOT NULL, and " + quoted(column->name) + " is " +
                    column->type + (column->not_null ? "" : ", nullable"));
    }
    definition.content = ContentKind::kColumn;
    definition.hash_column = column->name;
    plan.warnings.push_back("only the value of " + column->name +
                            " is recorded, so audits cannot check the other columns");
  }
  for (const TableColumn& column : table.columns) {
    const bool asked_for = request.columns.empty() || contains(request.columns, column.name);
    const bool kept_out = contains(request.exclude, column.name);
    const bool bookkeeping = column.name == plan.mode->own_column();
    if (definition.content == ContentKind::kColumn || column.generated || bookkeeping ||
        !asked_for || kept_out) {
      if (column.name != request.hash_column) plan.not_covered.push_back(column.name);
      if (kept_out || (!asked_for && !column.generated)) definition.excluded.push_back(column.name);
      continue;
    }
    if (!column.refused.empty()) {
      return reject("column " + quoted(column.name) + " cannot be covered: " + column.refused,
                    "Leave it out: --exclude " + column.name);
    }
    definition.columns.push_back({column.name, column.type, column.typmod});
  }
  if (definition.content == ContentKind::kRow && definition.columns.empty()) {
    return reject("no column of " + table.qualified + " would be covered");
  }
  return {};
}

void add_warnings(const TableShape& table, SourcePlan& plan) {
  const bool is_changed = table.updates > 0 || table.deletes > 0;
  // Of mode logical only a look at its stream can tell.
  if (is_changed && !plan.track_changes && plan.definition.mode != "logical") {
    plan.warnings.insert(
        plan.warnings.begin(),
        fmt::format("rows of this table were updated {} and deleted {} times so far; mode {} "
                    "records a row as it is first read, and not what becomes of it",
                    table.updates, table.deletes, plan.definition.mode));
  }
  if (table.kind == 'p' && plan.definition.mode == "trigger") {
    plan.warnings.push_back(
        "truncating, detaching or dropping a single partition does not fire the table's triggers; "
        "an "
        "audit finds what is gone");
  }
  if (!plan.finds_rows && plan.definition.mode == "poll") {
    plan.warnings.push_back(
        "without a single integer key new rows are found by sweeps over the whole table");
  }
  if (!plan.definition.key.empty()) {
    plan.warnings.emplace_back(kKeysArePublic);
  }
}

// What is known of the table's rows already, because it or what it is a part of is a source.
Result<void> compare_with_sources(const Ledger& ledger, SourcePlan& plan) {
  TRY(const auto registered, read_registered(ledger));
  const TableShape& table = *plan.table;
  for (const RegisteredSource& source : registered) {
    if (source.state == "removed" || source.mode == "append") continue;
    if (source.database != (plan.endpoint ? plan.endpoint->conninfo : "")) continue;
    const SourceDefinition& other = source.definition;
    const std::string& name = source.name;
    if (other.relation == table.qualified) {
      plan.warnings.push_back("source " + name +
                              " is this table already: each row will be recorded twice");
    }
    const bool is_above = contains(table.ancestors, other.relation);
    if (is_above || contains(table.partitions, other.relation)) {
      return reject(
          fmt::format("{} is a partition of {}, which is recorded {}",
                      is_above ? table.qualified : other.relation,
                      is_above ? other.relation : table.qualified,
                      is_above ? "as source " + name : "through it already (source " + name + ")"),
          "Each row would be recorded twice. Keep one of them.");
    }
  }
  return {};
}

Result<SourcePlan> plan_append_source(const Ledger& ledger, const SourceRequest& request) {
  if (!request.table.empty() || !request.key.empty() || !request.mode.empty() ||
      !request.time.empty() || !request.hash_column.empty() || !request.columns.empty() ||
      !request.exclude.empty()) {
    return reject("an append source has no table of its own",
                  "Leave out --table, --key, --mode, --time, --hash-column, --columns, --exclude.");
  }
  SourcePlan plan;
  plan.definition.relation = ledger.schema() + ".append_only_log";
  plan.definition.mode = "append";
  plan.definition.key = {"id"};
  plan.definition.content = ContentKind::kData;
  plan.keep_data = request.keep_data;
  plan.why = "rows are appended to " + plan.definition.relation;
  plan.writer = request.writer;
  if (plan.writer.empty()) {
    TRY(const auto rows, ledger.query("SELECT rolname::text FROM pg_roles WHERE rolname = "
                                      "current_database() || '_' || $1 || '_writer'",
                                      pg::Params().text(ledger.schema())));
    if (!rows.empty()) {
      TRY(plan.writer, rows.get<std::string>(0, 0));
    }
  } else {
    TRY(const auto rows,
        ledger.query("SELECT 1 FROM pg_roles WHERE rolname = $1", pg::Params().text(plan.writer)));
    if (rows.empty()) return reject("there is no role " + quoted(plan.writer));
  }
  return plan;
}

// To another database, which has to be one that sources can be in.
Result<void> go_to(const OtherDatabase& other, SourcePlace& place) {
  place.connection = other.connection.get();
  place.reader = other.user;
  place.remote = true;
  TRY(place.server, read_server_facts(*place.connection));
  return check_source_server(*place.connection, other.endpoint.place);
}

}  // namespace

Result<CaptureMode::Beginning> CaptureMode::begin_elsewhere(pg::Connection&, const SourceText&,
                                                            bool) const {
  return reject("mode " + std::string(name()) + " reads tables of the ledger's own database only");
}

Result<void> check_key(const TableShape& table, const std::vector<std::string>& key) {
  for (const std::string& name : key) {
    TRY(const TableColumn* column, require_column(table, name));
    if (!column->not_null) {
      return reject("key column " + quoted(name) + " of " + table.qualified + " may be null",
                    "A key names one row for ever: choose columns that are NOT NULL and unique.");
    }
    if (!column->refused.empty()) {
      return reject("key column " + quoted(name) + " cannot be used: " + column->refused);
    }
  }
  std::vector<std::string> wanted = key;
  std::sort(wanted.begin(), wanted.end());
  if (std::adjacent_find(wanted.begin(), wanted.end()) != wanted.end()) {
    return reject("the key names a column twice");
  }
  std::string known;
  for (std::vector<std::string> unique : table.unique_keys) {
    known += (known.empty() ? "" : "; ") + joined(unique);
    std::sort(unique.begin(), unique.end());
    if (unique == wanted) return {};
  }
  std::string hint =
      known.empty() ? "Create one, or choose another key." : "Keys that this table has: " + known;
  if (!table.unfit_keys.empty()) {
    hint += fmt::format("\nUnique indexes that make no key: {}", fmt::join(table.unfit_keys, "; "));
  }
  return reject("no unique index of " + table.qualified + " is over exactly (" + joined(key) + ")",
                hint);
}

Result<SourcePlan> plan_table(const SourcePlace& place, CaptureModes modes,
                              const SourceRequest& request) {
  if (request.table.empty()) {
    return reject("a source needs a table",
                  "For example: pgtally source add payment --table public.payment --key id\n"
                  "Or, for rows that are appended to the ledger itself: --append");
  }
  if (request.keep_data || !request.writer.empty()) {
    return reject("--keep-data and --writer are for append sources", "Leave them out.");
  }
  SourcePlan plan;
  TRY(plan.table, describe_table(*place.connection, request.table));
  const TableShape& table = *plan.table;
  TRY_VOID(check_relation(place, table));
  plan.definition.relation = table.qualified;
  TRY_VOID(decide_key(table, request, plan));
  TRY_VOID(check_reader(place, table));
  TRY_VOID(decide_mode(place, modes, table, request, plan));
  TRY_VOID(choose_columns(table, request, plan));
  if (!request.time.empty()) {
    TRY(const TableColumn* column, require_column(table, request.time));
    if (!column->is_time()) {
      return reject("--time names a column of type timestamptz, timestamp or date, and " +
                    quoted(column->name) + " is " + column->type);
    }
    plan.definition.time = column->name;
  }
  std::vector<std::string> covered;
  for (const ColumnDefinition& column : plan.definition.columns) covered.push_back(column.name);
  TRY(plan.definition.types, used_types(*place.connection, table.oid, covered));
  if (!plan.definition.key.empty()) {
    TRY(const SourceText text, source_text(place.schema, 0, plan.definition, table));
    plan.finds_rows = plan.mode->finds_rows(text);
  }
  plan.skip_existing = request.skip_existing;
  if (plan.skip_existing && plan.definition.mode == "poll" && !plan.finds_rows) {
    return reject(
        "--existing skip needs to tell new rows from old ones, which mode poll can only by "
        "a single integer key",
        "Choose another mode, or record the rows that are there.");
  }
  add_warnings(table, plan);
  return plan;
}

Result<SourcePlace> place_of(const Ledger& ledger) {
  SourcePlace place{&ledger.connection(), ledger.schema(), {}, {}, false};
  TRY(place.server, read_server_facts(ledger.connection()));
  TRY(const auto rows,
      ledger.query("SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = $1",
                   pg::Params().text(ledger.schema())));
  TRY(place.reader, rows.get<std::string>(0, 0));
  return place;
}

Result<SourcePlan> plan_source(const Ledger& ledger, CaptureModes modes,
                               const SourceRequest& request) {
  if (!is_source_name(request.name)) {
    return reject(quoted(request.name) + " cannot be the name of a source",
                  "Use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit.");
  }
  TRY(const auto taken, ledger.query("SELECT state FROM pgtally.source WHERE name = $1",
                                     pg::Params().text(request.name)));
  if (!taken.empty()) {
    return reject("there is, or was, a source " + quoted(request.name) + " in this ledger",
                  "A name is never used again, because entries name their source for ever.");
  }
  TRY(SourcePlace place, place_of(ledger));
  std::optional<OtherDatabase> other;
  if (!request.database.empty() && !request.append) {
    TRY(other, open_other_database(ledger, request.database));
  }
  if (other) TRY_VOID(go_to(*other, place));
  TRY(SourcePlan plan,
      request.append ? plan_append_source(ledger, request) : plan_table(place, modes, request));
  if (other) {
    TRY(const SourceText text, source_text(place.schema, 0, plan.definition, *plan.table));
    TRY(plan.begin_elsewhere,
        plan.mode->begin_elsewhere(*place.connection, text, plan.skip_existing));
    plan.endpoint = other->endpoint;
  }
  if (plan.table) TRY_VOID(compare_with_sources(ledger, plan));
  plan.definition.source = request.name;
  plan.definition.blind = request.blind;
  plan.definition.server_version = place.server.version;
  return plan;
}

}  // namespace pgtally
