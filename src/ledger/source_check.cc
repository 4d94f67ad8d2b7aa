#include "ledger/source_check.h"

#include <algorithm>

#include "base/encoding.h"
#include "ledger/catalog.h"
#include "ledger/other_database.h"
#include "ledger/position_key.h"
#include "ledger/table_check.h"
#include "ledger/trigger_check.h"

namespace pgtally {
namespace {

// Values whose texts are other ones than when they were recorded, so that an audit finds rows changed.
Result<void> check_types(pg::Connection& connection, const SourceDefinition& definition,
                         const TableShape& shape, std::vector<std::string>& problems) {
  std::vector<std::string> covered;
  for (const ColumnDefinition& column : definition.columns) covered.push_back(column.name);
  TRY(const auto types, used_types(connection, shape.oid, covered));
  for (const TypeDefinition& type : definition.types) {
    const auto now = std::find_if(types.begin(), types.end(),
                                  [&](const auto& other) { return other.name == type.name; });
    if (now == types.end()) continue;  // then its column is of another type, or gone
    for (const std::string& label : type.labels) {
      if (std::find(now->labels.begin(), now->labels.end(), label) != now->labels.end()) continue;
      problems.push_back("type " + type.name + " has no value " + quoted(label) +
                         " any more. Rows that were recorded with it have another text now, and an "
                         "audit finds them changed: give the value its name back");
    }
    if (now->columns != type.columns) {
      problems.push_back("type " + type.name +
                         " has other parts than when the source was added, so that an audit finds "
                         "its rows changed");
    }
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> check_source(const Ledger& ledger, const SourceInfo& source) {
  std::vector<std::string> problems;
  if (source.mode == "append") return problems;
  TRY(const auto definition, read_definition(ledger, source.id));
  std::optional<OtherDatabase> other;
  if (source.place) {
    auto opened = open_database_of(ledger, source.id);
    if (!opened.ok()) {
      problems.push_back(opened.error().message);
      return problems;
    }
    other = std::move(*opened);
  }
  pg::Connection& connection = other ? *other->connection : ledger.connection();
  auto shape = describe_table(connection, definition.relation);
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
  TRY_VOID(check_types(connection, definition, *shape, problems));
  auto key = has_position_key(definition) ? Result<void>() : check_key(*shape, definition.key);
  if (!key.ok()) problems.push_back(key.error().message);
  if (source.mode == "trigger") {
    TRY(const auto triggers, check_triggers(ledger, source.id, source.state == "paused", *shape));
    problems.insert(problems.end(), triggers.begin(), triggers.end());
  }
  TRY(const auto rights,
      connection.query(
          "SELECT has_table_privilege(u.name, $2::bigint::oid, 'SELECT'), u.name::text "
          "FROM (SELECT coalesce((SELECT pg_get_userbyid(nspowner) FROM pg_namespace "
          "WHERE nspname = $1), current_user)) AS u(name)",
          pg::Params().text(other ? "" : ledger.schema()).int8(shape->oid)));
  TRY(const bool may_read, rights.get<bool>(0, 0));
  TRY(const auto reader, rights.get<std::string>(0, 1));
  if (!may_read) {
    problems.push_back("role " + reader + ", which reads for the ledger, may not SELECT from " +
                       definition.relation);
  }
  return problems;
}

}  // namespace pgtally
