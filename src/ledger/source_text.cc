#include "ledger/source_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "postgres/quote.h"

namespace pgtally {
namespace {

// The texts of these types are never long enough to make a key longer than an entry can hold.
bool is_short_type(const std::string& type) {
  static const std::vector<std::string> types{"smallint",
                                              "integer",
                                              "bigint",
                                              "uuid",
                                              "date",
                                              "boolean",
                                              "real",
                                              "double precision",
                                              "timestamp with time zone",
                                              "timestamp without time zone",
                                              "inet",
                                              "cidr",
                                              "macaddr"};
  return std::find(types.begin(), types.end(), type) != types.end();
}

// The text that a type's output function gives is the value itself.
bool is_text(const std::string& type) {
  return type == "text" || type == "character varying";
}

std::string output_text(const std::string& expression, const std::string& type) {
  return is_text(type) ? expression : fmt::format("concat({})", expression);
}

constexpr const char* kConvert = "convert_to({0}, 'UTF8')";
// What is sent to a client is not converted if it takes UTF-8, and a third of the cost.
constexpr const char* kSend = "CASE WHEN utf8 THEN textsend({0}) ELSE convert_to({0}, 'UTF8') END";

// The bytes of that text, made by `form`; NULL for NULL, which concat() would make a text of.
std::string output_bytes(const char* form, const std::string& expression, const std::string& type) {
  const std::string bytes = fmt::format(fmt::runtime(form), output_text(expression, type));
  return is_text(type)
             ? bytes
             : fmt::format("CASE WHEN {} IS DISTINCT FROM NULL THEN {} END", expression, bytes);
}

std::string list(std::size_t count, const std::string& form, const std::string& separator = ", ") {
  std::string out;
  for (std::size_t i = 1; i <= count; ++i) {
    if (i > 1) out += separator;
    out += fmt::format(fmt::runtime(form), fmt::arg("n", i));
  }
  return out;
}

// `bytes` are the expressions for the bytes of each key column.
std::string key_expression(const std::string& schema, const SourceDefinition& definition,
                           const TableShape& shape, const std::vector<std::string>& bytes) {
  const auto each = [&](const char* form, const char* separator) {
    std::string out;
    for (const std::string& column : bytes) {
      out += (out.empty() ? "" : separator) + fmt::format(fmt::runtime(form), column);
    }
    return out;
  };
  const std::string whole = each("int2send(octet_length({0})::int2) || {0}", " || ");
  const bool is_short =
      bytes.size() <= 8 &&
      std::all_of(definition.key.begin(), definition.key.end(),
                  [&](const std::string& name) { return is_short_type(shape.column(name)->type); });
  if (is_short) return whole;
  return fmt::format(
      "CASE WHEN {} > 1024 OR greatest({}) > 1022 THEN {}.long_key(ARRAY[{}]) ELSE {} END",
      each("octet_length({0}) + 2", " + "), each("octet_length({0})", ", "), schema,
      each("{0}", ", "), whole);
}

// The preimage of row/v1 under sha256(), by ascending bytes of the columns' names. In E'' literals,
// which read the same whatever standard_conforming_strings is in the session of an application.
std::string row_expression(const SourceDefinition& definition) {
  std::vector<std::size_t> places(definition.columns.size());
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
  std::sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) {
    return definition.columns[a].name < definition.columns[b].name;
  });
  std::string out = "sha256('pgtally/row/v1'::bytea || E'\\\\x00'::bytea";
  for (const std::size_t place : places) {
    const std::string& name = definition.columns[place].name;
    Bytes prefix{static_cast<std::uint8_t>(name.size())};
    prefix.insert(prefix.end(), name.begin(), name.end());
    out += fmt::format(
        "\n           || coalesce(E'\\\\x{1}'::bytea || int4send(octet_length(w.v{0})) || w.v{0}, "
        "'')",
        place + 1, to_hex(prefix));
  }
  return out + ")";
}

}  // namespace

std::string SourceText::each_key(const std::string& form, const std::string& separator) const {
  return list(keys, form, separator);
}

std::string SourceText::cursor_variables() const {
  std::string out;
  for (std::size_t i = 0; i < keys; ++i) {
    out += fmt::format("  cursor_{} {};\n", i + 1, cast_types[i]);
  }
  return out;
}

std::string SourceText::cursor_from(const std::string& array) const {
  std::string out;
  for (std::size_t i = 1; i <= keys; ++i) {
    out += fmt::format("    cursor_{0} := ({1})[{0}];\n", i, array);
  }
  return out;
}

std::string SourceText::beyond_cursor() const {
  return fmt::format("({}) > ({})", order, each_key("cursor_{n}"));
}

std::string SourceText::pending_columns(const std::string& position, const std::string& xid,
                                        const std::string& cursor) const {
  return fmt::format(
      "{0}, {0}, {1}, 1::smallint,\n         {2},\n         {3}, w.tm,\n         {4},\n"
      "         NULL::bytea, {5}, NULL::bigint, {6}",
      id, definition, key, position, content, xid, cursor);
}

Result<SourceText> source_text(const std::string& schema, std::int32_t source_id,
                               const SourceDefinition& definition, const TableShape& shape) {
  SourceText p;
  p.schema = schema;
  p.id = source_id;
  p.definition = definition.number;
  p.keys = definition.key.size();
  p.table = definition.relation + " AS t";
  TRY(p.source, pg::quote_literal(definition.source));
  std::vector<std::string> columns;
  std::vector<std::string> to_client;
  std::vector<std::string> order;
  std::vector<std::string> texts;
  // A column of the inner query, and the same as a variable.
  const auto add_variable = [&](const std::string& name, const char* type,
                                const std::string& value) {
    p.variables += fmt::format("{} {}; ", name, type);
    p.assignments += fmt::format("          {} := {};\n", name, value);
  };
  const auto add_column = [&](const std::string& text) {
    columns.push_back(text);
    to_client.push_back(text);
  };
  for (std::size_t i = 0; i < definition.key.size(); ++i) {
    const TableColumn* column = shape.column(definition.key[i]);
    if (column == nullptr) {
      return reject("there is no column " + quoted(definition.key[i]) + " in " +
                    definition.relation);
    }
    TRY(const auto name, pg::quote_identifier(column->name));
    texts.push_back(output_text("t." + name, column->type));
    add_column(fmt::format("t.{0} AS k{1}, {2} AS t{1}", name, i + 1, texts.back()));
    order.push_back("t." + name);
    p.cast_types.push_back(column->cast_type);
  }
  p.integer_key = p.keys == 1 && shape.column(definition.key[0])->is_integer();
  if (!order.empty()) p.first_key = order[0];
  p.order = fmt::format("{}", fmt::join(order, ", "));
  std::vector<std::string> bytes;
  std::vector<std::string> covered_bytes;
  for (std::size_t i = 0; i < p.keys; ++i) {
    bytes.push_back(fmt::format("convert_to(w.t{}, 'UTF8')", i + 1));
    const auto covered =
        std::find_if(definition.columns.begin(), definition.columns.end(),
                     [&](const ColumnDefinition& c) { return c.name == definition.key[i]; });
    const bool is_covered = covered != definition.columns.end();
    covered_bytes.push_back(
        is_covered ? fmt::format("w.v{}", covered - definition.columns.begin() + 1) : bytes.back());
    // A refused hash column is reported with the key.
    if (!is_covered || definition.content == ContentKind::kColumn) {
      add_variable(fmt::format("t{}", i + 1), "text", texts[i]);
    }
  }
  p.key = key_expression(schema, definition, shape, bytes);
  p.covered_key = key_expression(schema, definition, shape, covered_bytes);

  if (definition.content == ContentKind::kColumn) {
    TRY(const auto name, pg::quote_identifier(*definition.hash_column));
    add_column(fmt::format("t.{} AS hx", name));
    add_variable("hx", "bytea", "t." + name);
    p.content = fmt::format(
        "CASE WHEN octet_length(w.hx) = 32 AND w.hx <> decode(repeat('00', 32), 'hex') THEN w.hx"
        " ELSE {}.no_hash({}, ARRAY[{}]) END",
        schema, p.source, list(p.keys, "w.t{n}"));
  } else {
    for (std::size_t i = 0; i < definition.columns.size(); ++i) {
      const ColumnDefinition& column = definition.columns[i];
      TRY(const auto name, pg::quote_identifier(column.name));
      const std::string converted = output_bytes(kConvert, "t." + name, column.type);
      columns.push_back(fmt::format("{} AS v{}", converted, i + 1));
      to_client.push_back(
          fmt::format("{} AS v{}", output_bytes(kSend, "t." + name, column.type), i + 1));
      add_variable(fmt::format("v{}", i + 1), "bytea", converted);
    }
    p.content = row_expression(definition);
  }
  p.has_time = definition.time.has_value();
  if (p.has_time) {
    TRY(const auto name, pg::quote_identifier(*definition.time));
    const TableColumn* column = shape.column(*definition.time);
    // A date may be later than any timestamp, and the cast would fail.
    const bool is_date = column != nullptr && column->type == "date";
    p.claimed = is_date ? fmt::format(
                              "CASE WHEN t.{0} >= '294247-01-01'::date THEN 'infinity' "
                              "ELSE t.{0}::timestamptz END",
                              name)
                        : fmt::format("t.{}::timestamptz", name);
    p.time = fmt::format("{}.encodable({})", schema, p.claimed);
  } else {
    p.time = p.claimed = "NULL::timestamptz";
  }
  add_column(p.time + " AS tm");
  p.variables += "tm timestamptz; ";
  if (p.has_time) p.assignments += fmt::format("          tm := {};\n", p.time);
  if (definition.mode == "xid") add_column("t.xid AS x");
  p.columns = fmt::format("{}", fmt::join(columns, ",\n             "));
  p.columns_to_client = fmt::format("{}", fmt::join(to_client, ",\n             "));
  p.single = single_row_text(definition, shape);
  return p;
}

std::string dollar_quote(const std::string& body) {
  std::string tag = "$pgtally$";
  while (body.find(tag) != std::string::npos) tag.insert(1, "_");
  return tag;
}

std::string plpgsql_function(const std::string& head, const std::string& returns,
                             const std::string& volatility, const std::string& body) {
  const std::string tag = dollar_quote(body);
  return fmt::format(
      "CREATE OR REPLACE FUNCTION {}\nRETURNS {}\nLANGUAGE plpgsql {}\n"
      "SET search_path = pg_catalog, pg_temp\nAS {}\n#variable_conflict use_variable\n{}{};\n\n",
      head, returns, volatility, tag, body, tag);
}

Result<std::string> row_query(const SourceDefinition& definition, const TableShape& shape) {
  std::vector<std::string> values;
  for (const ColumnDefinition& column : definition.columns) {
    TRY(const auto name, pg::quote_identifier(column.name));
    values.push_back(
        fmt::format("CASE WHEN t.{0} IS DISTINCT FROM NULL THEN format('%s', t.{0}) END", name));
  }
  std::vector<std::string> conditions;
  for (std::size_t i = 0; i < definition.key.size(); ++i) {
    const TableColumn* column = shape.column(definition.key[i]);
    if (column == nullptr) {
      return reject("there is no column " + quoted(definition.key[i]) + " in " +
                    definition.relation + " any more");
    }
    TRY(const auto name, pg::quote_identifier(column->name));
    conditions.push_back(fmt::format("t.{} = CAST(${} AS {})", name, i + 1, column->cast_type));
  }
  return fmt::format("SELECT {} FROM {} AS t WHERE {}",
                     values.empty() ? "NULL::text" : fmt::format("{}", fmt::join(values, ", ")),
                     definition.relation, fmt::join(conditions, " AND "));
}

}  // namespace pgtally
