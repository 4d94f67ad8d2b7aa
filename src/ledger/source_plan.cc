#include "ledger/source_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
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

Result<void> check_relation(const TableShape& table) {
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
  return {};
}

Result<void> choose_mode(CaptureModes modes, const TableShape& table, const SourceRequest& request,
                         SourcePlan& plan) {
  std::string names;
  for (const CaptureMode* mode : modes) {
    names += (names.empty() ? "" : ", ") + std::string(mode->name());
    if (!request.mode.empty() && request.mode != mode->name()) continue;
    const std::vector<std::string> missing = mode->missing(table, request.key);
    if (!missing.empty() && request.mode.empty()) continue;
    if (!missing.empty()) {
      return reject("mode " + request.mode + " needs more than " + table.qualified + " has",
                    "Run this first; its rows can then be inserted, and no longer updated:\n" +
                        fmt::format("{}", fmt::join(missing, "\n")));
    }
    plan.mode = mode;
    plan.definition.mode = mode->name();
    plan.why = request.mode.empty() ? mode->why() : "as asked for";
    return {};
  }
  return reject("there is no capture mode " + quoted(request.mode), "The modes are: " + names);
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
  if (table.updates > 0 || table.deletes > 0) {
    plan.warnings.push_back(
        fmt::format("rows of this table were updated {} and deleted {} times so far; mode {} "
                    "records a row as it "
                    "is first read, and not what becomes of it",
                    table.updates, table.deletes, plan.definition.mode));
  }
  if (!plan.finds_rows) {
    plan.warnings.push_back(
        "without a single integer key new rows are found by sweeps over the whole table");
  }
  plan.warnings.push_back(
      "keys and positions are public for ever: no personal data belongs in them");
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

Result<SourcePlan> plan_table_source(const Ledger& ledger, CaptureModes modes,
                                     const SourceRequest& request) {
  if (request.table.empty() || request.key.empty()) {
    return reject("a source needs a table and the columns of its key",
                  "For example: pgtally source add payment --table public.payment --key id\n"
                  "Or, for rows that are appended to the ledger itself: --append");
  }
  if (request.keep_data || !request.writer.empty()) {
    return reject("--keep-data and --writer are for append sources", "Leave them out.");
  }
  SourcePlan plan;
  TRY(plan.table, describe_table(ledger.connection(), request.table));
  const TableShape& table = *plan.table;
  TRY_VOID(check_relation(table));
  TRY_VOID(check_key(table, request.key));
  plan.definition.relation = table.qualified;
  plan.definition.key = request.key;
  TRY_VOID(choose_mode(modes, table, request, plan));
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
  TRY(plan.definition.types, used_types(ledger.connection(), table.oid, covered));
  TRY(const SourceText text, source_text(ledger.schema(), 0, plan.definition, table));
  plan.finds_rows = plan.mode->finds_rows(text);
  add_warnings(table, plan);
  return plan;
}

}  // namespace

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
  return reject(
      "no unique index of " + table.qualified + " is over exactly (" + joined(key) + ")",
      known.empty() ? "Create one, or choose another key." : "Keys that this table has: " + known);
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
  TRY(SourcePlan plan, request.append ? plan_append_source(ledger, request)
                                      : plan_table_source(ledger, modes, request));
  plan.definition.source = request.name;
  plan.definition.blind = request.blind;
  TRY(const auto version, ledger.query("SELECT current_setting('server_version')"));
  TRY(plan.definition.server_version, version.get<std::string>(0, 0));
  return plan;
}

}  // namespace pgtally
