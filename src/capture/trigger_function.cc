#include "capture/trigger_function.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ledger/source_text.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

// Larger statements are not hashed into arrays first, but staged in the block that catches errors.
// That takes a transaction id, which is nothing beside so many rows.
constexpr int kArrayRows = 1'000;
// Operations, as staging has them.
constexpr char kInsert = '1';
constexpr char kUpdate = '2';
constexpr char kDelete = '3';
// The variable of the loop over the rows of a statement.
constexpr const char* kLoopRow = "r";

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

// Whether an update gives the row another key: by text, as keys are, and by equality only where that
// comes to the same. Key columns of other types than they had make the key fail, which comes next.
Result<std::string> key_changes(const SourceDefinition& definition, const SourceText& text) {
  if (text.single) return text.single->moves;
  std::string out;
  for (const std::string& column : definition.key) {
    TRY(const auto name, pg::quote_identifier(column));
    // There are collations by which other texts are equal.
    out += fmt::format("{0}concat(OLD.{1}) COLLATE \"C\" <> concat(NEW.{1}) COLLATE \"C\"",
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
// `row`, and then does `record`. Every expression is one that PL/pgSQL evaluates without a query. It
// keeps their plans for the session, and once a column has another type they fail: then a query that is
// planned anew, and takes nothing for granted, does the same. That has to know the type of `row`, as it does
// of NEW and OLD; a record that a loop fills has none, and takes nothing for granted to begin with.
// `moves`: whether the key of NEW is another than that of OLD.
std::string with_row(const SourceText& p, const std::string& row, const std::string& missed,
                     const std::string& record, const std::string& moves = "") {
  const std::string query =
      fmt::format("SELECT {}, {}, {} FROM (SELECT {} FROM (SELECT ($1).*) AS t OFFSET 0) AS w",
                  p.covered_key, p.content, p.has_time ? "w.tm" : "NULL", p.columns);
  const std::string quote = dollar_quote(query);
  const std::string planned_anew = fmt::format("EXECUTE {0}{1}{0}", quote, query);
  // staged() looks after times that are too late for an entry.
  const std::string time = p.has_time ? fmt::format("          tm := {};\n", p.claimed) : "";
  const bool is_typed = row != kLoopRow;
  const bool single = p.single && is_typed;
  const std::string again = fmt::format(
      R"sql(BEGIN
{moves_anew}            {planned_anew} INTO key, content{and_tm} USING t;{compare_moves}
          EXCEPTION WHEN OTHERS THEN
            {missed}
          END;)sql",
      fmt::arg("planned_anew", planned_anew), fmt::arg("and_tm", p.has_time ? ", tm" : ""),
      fmt::arg("moves_anew",
               moves.empty()
                   ? ""
                   : fmt::format("            {} INTO key_before USING OLD;\n", planned_anew)),
      fmt::arg("compare_moves", moves.empty() ? "" : "\n            moves := key_before <> key;"),
      fmt::arg("missed", missed));
  return fmt::format(
      R"sql(
      <<w>>
      DECLARE
        t ALIAS FOR {row};
        {variables}
        key bytea; content bytea;{moves}
      BEGIN
        BEGIN
{assign_moves}{assignments}          key := {key};
          content := {content};
        EXCEPTION WHEN OTHERS THEN
          {again}
        END;
{record}      END;
)sql",
      fmt::arg("row", row), fmt::arg("variables", single ? "tm timestamptz; " : p.variables),
      fmt::arg("moves", moves.empty() ? "" : " moves boolean; key_before bytea;"),
      fmt::arg("assign_moves", moves.empty() ? "" : fmt::format("          moves := {};\n", moves)),
      fmt::arg("assignments", single ? time : p.assignments),
      fmt::arg("key", single
                          ? fmt::format("CASE WHEN {} THEN {} END", p.single->check, p.single->key)
                          : p.covered_key),
      fmt::arg("content", single ? p.single->content : p.content),
      fmt::arg("again", is_typed ? again : missed), fmt::arg("record", record));
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

// What is gone claims no time.
std::string insert_values(const SourceText& p, char operation, const std::string& row = "w.") {
  const std::string time = p.has_time && operation != kDelete ? row + "tm" : "NULL";
  return fmt::format("        {}\n        VALUES ({}, {}, {}, {}key, {}, {}content);\n",
                     insert_into_staging(p), p.id, p.definition, operation, row, time, row);
}

// Key, content and time of the only row of a statement: select list and what stands behind FROM.
std::pair<std::string, std::string> single_row(const SourceText& p) {
  if (p.single) {
    return {fmt::format("{},\n               {}{}", p.single->key, p.single->content,
                        p.has_time ? ", " + p.claimed : ""),
            fmt::format("added AS t\n         WHERE {}", p.single->check)};
  }
  return {
      fmt::format("{},\n               {}{}", p.covered_key, p.content, p.has_time ? ", w.tm" : ""),
      fmt::format("(SELECT {}\n                  FROM added AS t OFFSET 0) AS w", p.columns)};
}

// Ends the call for all rows of a statement but the first, where it is made for each.
std::string is_first_row(const SourceText& p) {
  return fmt::format(R"sql(      IF TG_LEVEL = 'ROW' THEN
        BEGIN
          IF ((SELECT ROW(t.*) FROM added AS t LIMIT 1) *= NEW) IS NOT TRUE THEN
            RETURN NULL;
          END IF;
        EXCEPTION WHEN OTHERS THEN
          {note}
          RETURN NULL;
        END;
      END IF;
)sql",
                     fmt::arg("note", note(p, "false")));
}

// The rows of one statement. There is mostly one, which a single query hashes. If that fails, because there
// are more or a column is not what it was, all are hashed at once; and if one of them cannot be, one by one,
// so that no other is missed.
//
// Where other triggers may change what was inserted, the trigger is one for rows, so that it fires before
// these; it takes all rows of the statement with the first of them, which is told by its whole value.
std::string statement_part(const SourceText& p, bool track_changes) {
  const auto [only, from] = single_row(p);
  const std::string time = p.has_time ? "w.tm" : "NULL";
  return fmt::format(
      R"sql(
    DECLARE
      r        record;
      key      bytea;
      content  bytea;
      tm       timestamptz;
      at_once  boolean;
      utf8     boolean := false;
      keys     bytea[];
      contents bytea[];
      times    timestamptz[];
    BEGIN
{is_first}      BEGIN
        SELECT {only}
          INTO STRICT key, content{and_tm}
          FROM {from};
      EXCEPTION WHEN no_data_found THEN
        RETURN NULL;
      WHEN OTHERS THEN
        -- Mostly because there are more rows than one.
        at_once := false;
        BEGIN
          utf8 := pg_client_encoding() = 'UTF8';
          SELECT array_agg({key}),
                 array_agg({content}),
                 {times}
            INTO keys, contents, times
            FROM (SELECT {columns}
                    FROM added AS t LIMIT {limit} + 1) AS w;
          IF cardinality(keys) > {limit} THEN
            {insert}
            SELECT {id}, {definition}, 1, {key}, {time},
                   {content}
              FROM (SELECT {columns}
                      FROM added AS t OFFSET 0) AS w;
            RETURN NULL;
          END IF;
          at_once := true;
        EXCEPTION WHEN OTHERS THEN
          IF SQLSTATE LIKE '42%' THEN  -- a column is gone: it is for all rows
            {note}
            RETURN NULL;
          END IF;
        END;
        IF at_once THEN
          {insert}
          SELECT {id}, {definition}, 1, u.k, {unnested_time}, u.c FROM {unnest};
          RETURN NULL;
        END IF;
        FOR r IN SELECT * FROM added LOOP{each}        END LOOP;
        RETURN NULL;
      END;
{one}    END;
    RETURN NULL;
)sql",
      fmt::arg("is_first", track_changes ? is_first_row(p) : ""), fmt::arg("key", p.covered_key),
      fmt::arg("content", p.content), fmt::arg("time", time), fmt::arg("only", only),
      fmt::arg("from", from), fmt::arg("and_tm", p.has_time ? ", tm" : ""),
      fmt::arg("columns", p.columns_to_client),
      fmt::arg("times", p.has_time ? "array_agg(w.tm)" : "NULL"), fmt::arg("limit", kArrayRows),
      fmt::arg("insert", insert_into_staging(p)), fmt::arg("id", p.id),
      fmt::arg("definition", p.definition), fmt::arg("unnested_time", p.has_time ? "u.m" : "NULL"),
      fmt::arg("unnest", p.has_time ? "unnest(keys, contents, times) AS u(k, c, m)"
                                    : "unnest(keys, contents) AS u(k, c)"),
      fmt::arg("note", note(p, "false")), fmt::arg("one", insert_values(p, kInsert, "")),
      fmt::arg("each", with_row(p, kLoopRow, note(p, "false") + "\n          CONTINUE;",
                                insert_values(p, kInsert))));
}

// One inserted row.
std::string insert_part(const SourceText& p) {
  return with_row(p, "NEW", note(p, "false") + "\n          RETURN NULL;",
                  insert_values(p, kInsert));
}

// One updated row. One whose key changes is deleted and inserted.
std::string update_part(const SourceText& p, const std::string& key_changes) {
  const std::string missed = note(p, "true") + "\n          RETURN NULL;";
  const std::string moved = fmt::format(
      R"sql(        IF moves THEN{old}{inserted}          RETURN NULL;
        END IF;
{updated})sql",
      fmt::arg("old", with_row(p, "OLD", missed, insert_values(p, kDelete))),
      fmt::arg("inserted", insert_values(p, kInsert)),
      fmt::arg("updated", insert_values(p, kUpdate)));
  return fmt::format(R"sql(
  IF TG_OP = 'UPDATE' THEN{row}    RETURN NULL;
  END IF;
)sql",
                     fmt::arg("row", with_row(p, "NEW", missed, moved, key_changes)));
}

// One deleted row.
std::string delete_part(const SourceText& p) {
  return with_row(p, "OLD", note(p, "true") + "\n          RETURN NULL;",
                  insert_values(p, kDelete));
}

// What fires most often is asked for first, since a question costs as much as a column does.
std::string parts(const SourceText& p, bool by_statement, bool track_changes,
                  const std::string& key_changes) {
  const std::string inserted = by_statement ? statement_part(p, track_changes) : insert_part(p);
  if (!track_changes) return inserted;
  return update_part(p, key_changes) + truncate_part(p) + "\n  IF TG_OP = 'INSERT' THEN" +
         inserted + "    RETURN NULL;\n  END IF;\n" + delete_part(p);
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
         !(track_changes && shape.has_after_triggers && shape.is_heir);
}

Result<std::string> trigger_function(const TriggerRequest& request) {
  const bool by_statement =
      request.by_statement.value_or(captures_statements(request.shape, request.track_changes));
  const SourceText& p = request.text;
  TRY(const auto relation, pg::quote_literal(request.definition.relation));
  TRY(const auto changes, key_changes(request.definition, p));
  std::string body = fmt::format(R"sql(
#variable_conflict use_variable
BEGIN
  -- Whoever may call it could put it on a table of his own, and forge rows.
  IF TG_RELID <> {oid} THEN
    IF NOT {s}.is_part_of(TG_RELID, {relation}) THEN
      PERFORM {s}.note_missed({id}, false, '42501',
        format('table %s calls the function of this source', TG_RELID::regclass));
      RETURN NULL;
    END IF;
  END IF;
)sql",
                                 fmt::arg("oid", request.shape.oid), fmt::arg("s", p.schema),
                                 fmt::arg("relation", relation), fmt::arg("id", p.id));
  body += parts(p, by_statement, request.track_changes, changes);
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
