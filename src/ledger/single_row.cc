#include "ledger/single_row.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "postgres/quote.h"

namespace pgtally {
namespace {

enum class Length { kInOneByte, kAny };

struct FitType {
  const char* name;
  // Its output function, which no type can be given to whose texts are not of this kind.
  const char* output;
  Length length;
  // Of every text, in bytes, where all have the same.
  int fixed = 0;
};

const FitType* fit_type(const std::string& name) {
  static const std::vector<FitType> types{
      {"smallint", "int2out", Length::kInOneByte},
      {"integer", "int4out", Length::kInOneByte},
      {"bigint", "int8out", Length::kInOneByte},
      {"uuid", "uuid_out", Length::kInOneByte, 36},
      {"boolean", "boolout", Length::kInOneByte, 1},
      {"date", "date_out", Length::kInOneByte},
      {"timestamp with time zone", "timestamptz_out", Length::kInOneByte},
      {"timestamp without time zone", "timestamp_out", Length::kInOneByte},
      {"inet", "inet_out", Length::kInOneByte},
      {"cidr", "cidr_out", Length::kInOneByte},
      {"macaddr", "macaddr_out", Length::kInOneByte, 17},
      // Numeric goes where these are asked for.
      {"real", "float4out", Length::kAny},
      {"double precision", "float8out", Length::kAny},
      {"numeric", "numeric_out", Length::kAny},
  };
  const auto it =
      std::find_if(types.begin(), types.end(), [&](const FitType& t) { return t.name == name; });
  return it == types.end() ? nullptr : &*it;
}

bool is_text(const std::string& type) {
  return type == "text" || type == "character varying";
}

// The byte that is the length of a value's text. concat() makes no text of null, and no other value has an
// empty one; chr(0) is an error.
std::string length_byte(const FitType& fit, const std::string& value) {
  return fit.fixed > 0 ? fmt::format("chr(CASE WHEN {} IS DISTINCT FROM NULL THEN {} ELSE 0 END)",
                                     value, fit.fixed)
                       : fmt::format("chr(octet_length(concat({})))", value);
}

// The length of the name and the name, in escape format, and that in an E'' literal.
std::string escaped_name(const std::string& name) {
  std::string out = fmt::format("\\\\{:03o}", name.size());
  for (const char c : name) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    out += is_plain ? std::string(1, c) : fmt::format("\\\\{:03o}", static_cast<std::uint8_t>(c));
  }
  return out;
}

// Puts the preimage together: runs of escaped texts, and bytes between them.
class Preimage {
 public:
  Preimage() : literal_("pgtally/row/v1\\\\000") {}

  void literal(const std::string& text) { literal_ += text; }
  void text(const std::string& expression) {
    end_literal();
    run_.push_back(expression);
  }
  void bytes(const std::string& expression) {
    end_run();
    parts_.push_back(expression);
  }
  [[nodiscard]] std::string take() {
    end_run();
    return fmt::format("sha256({})", fmt::join(parts_, "\n           || "));
  }

 private:
  void end_literal() {
    if (!literal_.empty()) run_.push_back("E'" + literal_ + "'");
    literal_.clear();
  }
  void end_run() {
    end_literal();
    if (!run_.empty()) {
      parts_.push_back(fmt::format("decode(concat({}), 'escape')", fmt::join(run_, ", ")));
    }
    run_.clear();
  }

  std::string literal_;
  std::vector<std::string> run_;
  std::vector<std::string> parts_;
};

void add(Preimage& preimage, const std::string& value, const TableColumn& column) {
  const std::string name = escaped_name(column.name);
  const FitType* fit = fit_type(column.type);
  if (fit == nullptr) {  // may be long, and hold anything
    const std::string text = is_text(column.type) ? value : fmt::format("concat({})", value);
    preimage.bytes(
        fmt::format("CASE WHEN {} IS DISTINCT FROM NULL THEN decode(E'{}', 'escape') || "
                    "int4send(octet_length({})) || convert_to({}, 'UTF8') ELSE '' END",
                    value, name, text, text));
    return;
  }
  const std::string length =
      fit->length == Length::kInOneByte
          ? length_byte(*fit, value)
          : fmt::format("encode(int4send(octet_length(concat({}))), 'escape')", value);
  const std::string zeros = fit->length == Length::kInOneByte ? "\\\\000\\\\000\\\\000" : "";
  if (fit->fixed > 0) {  // then null takes no length to find out
    preimage.text(fmt::format("CASE WHEN {} IS DISTINCT FROM NULL THEN E'{}{}\\\\{:03o}' END",
                              value, name, zeros, fit->fixed));
  } else if (column.not_null && fit->length == Length::kInOneByte) {
    preimage.literal(name + zeros);
    preimage.text(length);
  } else {
    preimage.text(fmt::format("CASE WHEN {} IS DISTINCT FROM NULL THEN E'{}' || {} END", value,
                              name + zeros, length));
  }
  preimage.text(value);
}

}  // namespace

std::optional<SingleRowText> single_row_text(const SourceDefinition& definition,
                                             const TableShape& shape) {
  if (definition.content != ContentKind::kRow) return {};
  std::vector<std::string> checks;
  const auto value_of = [&](const TableColumn& column) -> std::optional<std::string> {
    const auto name = pg::quote_identifier(column.name);
    if (!name.ok()) return {};
    const std::string value = "t." + *name;
    if (const FitType* fit = fit_type(column.type)) {
      checks.push_back(fmt::format("{}({}) IS NULL", fit->output, value));
    }
    return value;
  };

  std::vector<std::string> key;
  std::vector<std::string> moves;
  for (const std::string& name : definition.key) {
    const TableColumn* column = shape.column(name);
    if (column == nullptr) return {};
    const FitType* fit = fit_type(column->type);
    if (fit == nullptr || fit->length != Length::kInOneByte) return {};
    const auto value = value_of(*column);
    if (!value) return {};
    key.push_back(fmt::format("E'\\\\000', {}, {}", length_byte(*fit, *value), *value));
    // No two values of these types have the same text, or one value two.
    moves.push_back(fmt::format("OLD{0} IS DISTINCT FROM NEW{0}", value->substr(1)));
  }
  // More might be longer than an entry can hold.
  if (key.empty() || key.size() > 8) return {};

  std::vector<ColumnDefinition> columns = definition.columns;
  std::sort(columns.begin(), columns.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  Preimage preimage;
  for (const ColumnDefinition& covered : columns) {
    const TableColumn* column = shape.column(covered.name);
    if (column == nullptr || column->type != covered.type) return {};
    const std::string& type = column->type;
    if (fit_type(type) == nullptr && !is_text(type) && type != "character") return {};
    const auto value = value_of(*column);
    if (!value) return {};
    add(preimage, *value, *column);
  }
  return SingleRowText{
      fmt::format("decode(concat({}), 'escape')", fmt::join(key, ", ")), preimage.take(),
      fmt::format("{}", fmt::join(moves, " OR ")),
      fmt::format("CASE WHEN true THEN true ELSE {} END", fmt::join(checks, " OR "))};
}

}  // namespace pgtally
