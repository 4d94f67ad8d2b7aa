#include "capture/trigger_function.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ledger/source_text.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

// Of larger statements the rows are not put into arrays, which end at 1 GB.
constexpr int kArrayRows = 100'000;

const std::vector<std::string>& all_settings() {
  static const std::vector<std::string> settings{
      "datestyle = 'ISO'",      "timezone = 'UTC'",           "intervalstyle = 'postgres'",
      "extra_float_digits = 1", "bytea_output = 'hex'",       "lc_monetary = 'C'",
      "lc_numeric = 'C'",       "quote_all_identifiers = off"};
  return settings;
}

// What the text of a value of this type depends on. Types that are not known here, and those that are
// made of other types, get all.
std::vector<std::string> settings_of(const std::string& type, const SourceDefinition& definition) {
  static const std::vector<std::string> free{"smallint",
                                             "integer",
                                             "bigint",
                                             "numeric",
                                             "text",
                                             "character varying",
                                             "character",
                                             "name",
                                             "boolean",
                                             "uuid",
                                             "json",
                                             "jsonb",
                                             "inet",
                                             "cidr",
                                             "macaddr",
                                             "macaddr8",
                                             "bit",
                                             "bit varying",
                                             "oid",
                                             "xid",
                                             "xid8",
                                             "pg_lsn",
                                             "time without time zone"};
  if (std::find(free.begin(), free.end(), type) != free.end()) return {};
  if (type == "timestamp with time zone") return {"datestyle = 'ISO'", "timezone = 'UTC'"};
  if (type == "timestamp without time zone" || type == "date") return {"datestyle = 'ISO'"};
  if (type == "interval") return {"intervalstyle = 'postgres'"};
  if (type == "real" || type == "double precision") return {"extra_float_digits = 1"};
  if (type == "bytea") return {"bytea_output = 'hex'"};
  const bool is_enum =
      std::any_of(definition.types.begin(), definition.types.end(), [&](const auto& used) {
        return used.kind == TypeDefinition::Kind::kEnum && used.name == type;
      });
  return is_enum ? std::vector<std::string>{} : all_settings();
}

// Whether an update gives the row another key: by text, as keys are, not by equality.
Result<std::string> key_changes(const SourceDefinition& definition) {
  std::string out;
  for (const std::string& column : definition.key) {
    TRY(const auto name, pg::quote_identifier(column));
    out += fmt::format("{0}format('%s', OLD.{1}) <> format('%s', NEW.{1})",
                       out.empty() ? "" : " OR ", name);
  }
  return out;
}

std::string insert_into_staging(const SourceText& p) {
  return fmt::format(
      "INSERT INTO {}.append_only_log (source_id, definition, operation, key, source_time, "
      "content_hash)",
      p.schema);
}

// Takes note of an error and of what it kept from being recorded.
std::string note(const SourceText& p, const std::string& for_good) {
  return fmt::format("PERFORM {}.note_missed({}, {}, SQLSTATE, SQLERRM);", p.schema, p.id,
                     for_good);
}

// A block, called `w` like the inner queries of feeds, that has key and hash of the row in variable
// `row`, and then does `record`. Every expression is one that PL/pgSQL evaluates without a query.
std::string with_row(const SourceText& p, const std::string& row, const std::string& missed,
                     const std::string& record) {
  return fmt::format(R"sql(
      <<w>>
      DECLARE
        t ALIAS FOR {row};
        {variables}
        key bytea; content bytea;
      BEGIN
        BEGIN
{assignments}          key := {key};
          content := {content};
        EXCEPTION WHEN OTHERS THEN
          {missed}
        END;
{record}      END;
)sql",
                     fmt::arg("row", row), fmt::arg("variables", p.variables),
                     fmt::arg("assignments", p.assignments), fmt::arg("key", p.covered_key),
                     fmt::arg("content", p.content), fmt::arg("missed", missed),
                     fmt::arg("record", record));
}

std::string truncate_part(const SourceText& p) {
  return fmt::format(R"sql(
  IF TG_OP = 'TRUNCATE' THEN
    {insert}
    VALUES ({id}, {definition}, 4, NULL, NULL, decode(repeat('00', 32), 'hex'));
    RETURN NULL;
  END IF;
)sql",
                     fmt::arg("insert", insert_into_staging(p)), fmt::arg("id", p.id),
                     fmt::arg("definition", p.definition));
}

std::string insert_values(const SourceText& p, const std::string& operation,
                          const std::string& time) {
  return fmt::format("        {}\n        VALUES ({}, {}, {}, w.key, {}, w.content);\n",
                     insert_into_staging(p), p.id, p.definition, operation, time);
}

// The rows of one statement. The first by itself, since there is mostly no other. Then the rest, and
// what became of a first one that could not be hashed, all at once. If that does not go either, one by
// one, so that only those that cannot be hashed are missed.
std::string statement_part(const SourceText& p, bool has_time) {
  return fmt::format(
      R"sql(
  IF TG_LEVEL = 'STATEMENT' THEN
    DECLARE
      r        record;
      taken    integer := 0;
      more     boolean := false;
      keys     bytea[];
      contents bytea[];
      times    timestamptz[];
    BEGIN
      FOR r IN SELECT * FROM added LOOP
        IF taken = 1 THEN
          more := true;
          EXIT;
        END IF;{first}        taken := 1;
      END LOOP;
      IF NOT FOUND OR (taken = 1 AND NOT more) THEN  -- no row, or one
        RETURN NULL;
      END IF;
      BEGIN
        SELECT array_agg({key}),
               array_agg({content}),
               {times}
          INTO keys, contents, times
          FROM (SELECT {columns}
                  FROM added AS t OFFSET taken LIMIT {limit} + 1) AS w;
        IF cardinality(keys) > {limit} THEN
          {insert}
          SELECT {id}, {definition}, 1, {key}, w.tm,
                 {content}
            FROM (SELECT {columns}
                    FROM added AS t OFFSET taken) AS w;
          RETURN NULL;
        END IF;
        more := false;
      EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE LIKE '42%' THEN  -- a column is gone: it is for all rows
          {note}
          RETURN NULL;
        END IF;
        more := true;
      END;
      IF NOT more THEN
        {insert}
        SELECT {id}, {definition}, 1, u.k, {time}, u.c FROM {unnest};
        RETURN NULL;
      END IF;
      FOR r IN SELECT * FROM added OFFSET taken LOOP{each}      END LOOP;
    END;
    RETURN NULL;
  END IF;
)sql",
      fmt::arg("key", p.covered_key), fmt::arg("content", p.content),
      fmt::arg("columns", p.columns), fmt::arg("times", has_time ? "array_agg(w.tm)" : "NULL"),
      fmt::arg("limit", kArrayRows), fmt::arg("insert", insert_into_staging(p)),
      fmt::arg("id", p.id), fmt::arg("definition", p.definition),
      fmt::arg("time", has_time ? "u.m" : "NULL"),
      fmt::arg("unnest", has_time ? "unnest(keys, contents, times) AS u(k, c, m)"
                                  : "unnest(keys, contents) AS u(k, c)"),
      fmt::arg("note", note(p, "false")),
      fmt::arg("first", with_row(p, "r", "EXIT;", insert_values(p, "1", "w.tm"))),
      fmt::arg("each", with_row(p, "r", note(p, "false") + "\n          CONTINUE;",
                                insert_values(p, "1", "w.tm"))));
}

// One inserted row.
std::string insert_part(const SourceText& p) {
  return with_row(p, "NEW", note(p, "false") + "\n          RETURN NULL;",
                  insert_values(p, "1", "w.tm"));
}

// One inserted, updated or deleted row. A row whose key changes is deleted and inserted.
std::string change_part(const SourceText& p, const std::string& key_changes) {
  const std::string missed = note(p, "TG_OP <> 'INSERT'") + "\n          RETURN NULL;";
  return fmt::format(
      R"sql(
  DECLARE
    goes boolean := TG_OP = 'DELETE';
  BEGIN
    IF TG_OP = 'UPDATE' THEN
      BEGIN
        goes := {key_changes};
      EXCEPTION WHEN OTHERS THEN
          {missed}
      END;
    END IF;
    IF goes THEN{old}    END IF;
    IF TG_OP <> 'DELETE' THEN{new}    END IF;
  END;
)sql",
      fmt::arg("key_changes", key_changes), fmt::arg("missed", missed),
      fmt::arg("old", with_row(p, "OLD", missed, insert_values(p, "3", "NULL"))),
      fmt::arg("new", with_row(p, "NEW", missed,
                               insert_values(
                                   p, "CASE WHEN TG_OP = 'UPDATE' AND NOT goes THEN 2 ELSE 1 END",
                                   "w.tm"))));
}

}  // namespace

std::string pinned_settings(const SourceDefinition& definition, const TableShape& shape) {
  std::set<std::string> needed;
  const auto add = [&](const std::string& type) {
    for (std::string& setting : settings_of(type, definition)) needed.insert(std::move(setting));
  };
  for (const ColumnDefinition& column : definition.columns) add(column.type);
  for (const std::string& name : definition.key) {
    if (const TableColumn* column = shape.column(name)) add(column->type);
  }
  if (definition.time) {
    const TableColumn* column = shape.column(*definition.time);
    if (column != nullptr && column->type != "timestamp with time zone") {
      needed.insert("timezone = 'UTC'");
    }
  }
  std::string out;
  for (const std::string& setting : all_settings()) {
    if (needed.contains(setting)) out += "SET " + setting + "\n";
  }
  return out;
}

bool captures_statements(const TableShape& shape, bool track_changes) {
  return shape.kind == 'r' && shape.ancestors.empty() && !shape.is_subscribed &&
         !(track_changes && shape.has_after_triggers);
}

Result<std::string> trigger_function(const TriggerRequest& request) {
  const bool by_statement =
      request.by_statement.value_or(captures_statements(request.shape, request.track_changes));
  const SourceText& p = request.text;
  TRY(const auto relation, pg::quote_literal(request.definition.relation));
  TRY(const auto changes, key_changes(request.definition));
  std::string body = fmt::format(R"sql(
#variable_conflict use_variable
BEGIN
  -- Whoever may call it could put it on a table of his own, and forge rows.
  IF TG_RELID <> {oid} AND NOT {s}.is_part_of(TG_RELID, {relation}) THEN
    PERFORM {s}.note_missed({id}, false, '42501',
      format('table %s calls the function of this source', TG_RELID::regclass));
    RETURN NULL;
  END IF;
)sql",
                                 fmt::arg("oid", request.shape.oid), fmt::arg("s", p.schema),
                                 fmt::arg("relation", relation), fmt::arg("id", p.id));
  if (request.track_changes) body += truncate_part(p);
  if (by_statement) {
    body += statement_part(p, request.definition.time.has_value());
  }
  if (request.track_changes) {
    body += change_part(p, changes);
  } else if (!by_statement) {
    body += insert_part(p);
  }
  body += "  RETURN NULL;\nEND ";
  const std::string quote = dollar_quote(body);
  return fmt::format(
      "CREATE OR REPLACE FUNCTION {0}.trigger_{1}() RETURNS trigger\n"
      "LANGUAGE plpgsql VOLATILE SECURITY DEFINER\nSET search_path = pg_catalog, pg_temp\n"
      "{2}AS {3}{4}{3};\n"
      "ALTER FUNCTION {0}.trigger_{1}() OWNER TO {5};\n"
      "REVOKE ALL ON FUNCTION {0}.trigger_{1}() FROM PUBLIC;\n",
      p.schema, p.id, pinned_settings(request.definition, request.shape), quote, body,
      request.owner);
}

}  // namespace pgtally
