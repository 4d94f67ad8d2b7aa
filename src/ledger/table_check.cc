#include "ledger/table_check.h"

namespace pgtally {

Result<std::vector<std::string>> list_tables(const SourcePlace& place) {
  TRY(const auto rows, place.connection->query(R"sql(
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
      FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
       AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', $1)
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype = 'e')
     ORDER BY n.nspname, c.relname)sql",
                                               pg::Params().text(place.schema)));
  std::vector<std::string> tables;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    TRY(tables.emplace_back(), rows.get<std::string>(r, 0));
  }
  return tables;
}

Result<TableReport> check_table(const SourcePlace& place, CaptureModes modes,
                                const std::string& table) {
  TableReport report;
  report.table = table;
  auto shape = describe_table(*place.connection, table);
  if (!shape.ok()) {
    if (shape.error().code == ErrorCode::kRetry) return std::move(shape).error();
    report.refusal = std::move(shape).error();
    return report;
  }
  report.table = shape->qualified;
  SourceRequest request;
  request.table = shape->qualified;
  auto plan = plan_table(place, modes, request);
  if (!plan.ok() && plan.error().code == ErrorCode::kRetry) return std::move(plan).error();

  std::vector<std::string> key;
  if (auto choice = choose_key(*shape); choice.ok()) key = std::move(choice->columns);
  ModeQuestion question{*shape, place.server, key, place.remote, true};
  for (const TableColumn& column : shape->columns) {
    if (!column.generated) question.covered.push_back(column.name);
  }
  for (const CaptureMode* mode : modes) {
    report.modes.push_back({std::string(mode->name()), obstacles(*mode, question)});
  }
  if (plan.ok()) {
    report.plan = std::move(plan).value();
    if (report.plan->definition.mode == "logical" && !report.plan->track_changes) {
      report.plan->warnings.push_back(
          "updates and deletes would not be recorded: its replica identity does not name rows");
    }
  } else {
    report.refusal = std::move(plan).error();
  }
  return report;
}

}  // namespace pgtally
