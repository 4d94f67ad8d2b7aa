#include "capture/sweep.h"

#include <fmt/format.h>

namespace pgtally {

std::string sweep_function(const SourceText& p, const std::string& position, const std::string& own,
                           bool changes) {
  return plpgsql_function(
      fmt::format("{}.sweep_{}(after text[], most integer)", p.schema, p.id),
      "TABLE (scanned bigint, found bigint, last_key text[])", "VOLATILE",
      fmt::format(
          R"sql(
DECLARE
  progress {s}.capture := {s}.progress_of({id});
  r        {s}.round := {s}.current_round();
{cursors}BEGIN
  IF after IS NOT NULL THEN
{assign}  END IF;
  RETURN QUERY
  WITH w AS MATERIALIZED (
    SELECT {columns}
      FROM {table} WHERE after IS NULL OR {beyond}
     ORDER BY {order} LIMIT most
  ), keyed AS MATERIALIZED (
    SELECT {key} AS key, row_number() OVER (ORDER BY {keys}) AS place, w.*
      FROM w WHERE {own}
  ), unrecorded AS (
    SELECT l.place, l.entry_id IS NULL AND l.content_hash IS NOT NULL AS after_delete
      FROM {s}.latest_states({id}, ARRAY(SELECT w.key FROM keyed AS w ORDER BY w.place)) AS l
     WHERE l.operation IS NULL
  ), new AS (
    INSERT INTO {s}.append_only_log ({id_column}source_id, definition, operation, key,
           source_position, source_time, content_hash)
    {overriding}SELECT {id_value}{id}, {definition}, 1, w.key,
         {position}, w.tm,
         {content}
      FROM keyed AS w JOIN unrecorded USING (place)
     ORDER BY w.place RETURNING 1
  )
  SELECT (SELECT count(*) FROM w), (SELECT count(*) FROM new),
         (SELECT ARRAY[{texts}] FROM w ORDER BY {descending} LIMIT 1);
END )sql",
          fmt::arg("s", p.schema), fmt::arg("id", p.id), fmt::arg("definition", p.definition),
          fmt::arg("id_column", changes ? "id, " : ""),
          fmt::arg("overriding", changes ? "OVERRIDING SYSTEM VALUE\n    " : ""),
          fmt::arg("id_value", changes ? p.schema + ".swept_id(after_delete), " : ""),
          fmt::arg("cursors", p.cursor_variables()), fmt::arg("assign", p.cursor_from("after")),
          fmt::arg("columns", p.columns), fmt::arg("table", p.table),
          fmt::arg("beyond", p.beyond_cursor()), fmt::arg("order", p.order), fmt::arg("key", p.key),
          fmt::arg("content", p.content), fmt::arg("position", position), fmt::arg("own", own),
          fmt::arg("keys", p.each_key("w.k{n}")), fmt::arg("texts", p.each_key("w.t{n}")),
          fmt::arg("descending", p.each_key("w.k{n} DESC"))));
}

}  // namespace pgtally
