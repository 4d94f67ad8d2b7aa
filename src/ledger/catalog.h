// What PostgreSQL's catalog says about a table that is to be a source.
//
// Names and types are as the server spells them; nothing here changes anything.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgtally/definition.h"
#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

struct TableColumn {
  std::string name;
  std::string type;       // format_type(oid, NULL): what a definition records
  std::string cast_type;  // format_type(oid, -1): safe to cast to
  std::int32_t typmod = -1;
  bool not_null = false;
  bool generated = false;
  std::string refused;  // why its values cannot be hashed; empty if they can
  std::optional<std::string> default_expression;

  [[nodiscard]] bool is_integer() const {
    return type == "bigint" || type == "integer" || type == "smallint";
  }
  [[nodiscard]] bool is_time() const {
    return type == "timestamp with time zone" || type == "timestamp without time zone" ||
           type == "date";
  }
};

struct TableShape {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
  std::string qualified;             // both, quoted as SQL writes it
  char kind = 'r';                   // pg_class.relkind
  char persistence = 'p';            // pg_class.relpersistence
  std::vector<TableColumn> columns;  // without dropped ones
  std::vector<std::vector<std::string>>
      unique_keys;  // of valid, complete, immediate unique indexes
  std::vector<std::vector<std::string>> index_columns;  // the leading columns of every usable index
  std::vector<std::string> checks;                      // definitions of its CHECK constraints
  std::int64_t updates = 0;                             // since the statistics were last reset
  std::int64_t deletes = 0;

  [[nodiscard]] const TableColumn* column(std::string_view column_name) const;
};

// `table` is a name as SQL takes it (public.payment, "Order Lines"), or the bare name of a table
// that SQL would want quoted. kReject if there is none, or if it is not a table.
[[nodiscard]] Result<TableShape> describe_table(pg::Connection& connection,
                                                const std::string& table);

// The enum, domain and composite types that the values of these columns are made of, by name.
[[nodiscard]] Result<std::vector<TypeDefinition>> used_types(
    pg::Connection& connection, std::uint32_t table, const std::vector<std::string>& columns);

}  // namespace pgtally
