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
  std::string cast_type;  // format_type(oid, -1), of a domain its base type: safe to cast to
  std::int32_t typmod = -1;
  bool not_null = false;
  bool generated = false;
  std::string refused;  // why its values cannot be hashed; empty if they can
  std::optional<std::string> default_expression;  // of a column of type xid8 alone

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
      unique_keys;                      // of valid, complete, immediate unique indexes
  bool has_primary_key = false;         // then it is the first of these
  std::vector<std::string> unfit_keys;  // other unique indexes: "payment_ref: it is partial"
  std::vector<std::vector<std::string>> index_columns;  // the leading columns of every usable index
  std::vector<std::string> checks;                      // definitions of its CHECK constraints
  std::string owner;
  bool may_alter = false;  // the session's user is its owner, or is as good as
  // What the server's log says of changed rows: all that they were, or these columns of it (the replica
  // identity); and columns whose value is missing from it where an update left them alone.
  bool full_identity = false;
  std::vector<std::string> identity;
  std::vector<std::string> left_out;
  std::vector<std::string> ancestors;    // the tables that it is a partition of, qualified
  std::vector<std::string> partitions;   // its own, at all levels, qualified
  std::vector<std::string> unfit_parts;  // partitions that are unlogged or foreign, qualified
  bool has_heirs = false;                // tables inherit from it that are no partitions
  bool is_heir = false;                  // it inherits from another, or is a partition
  bool is_subscribed = false;            // a logical replication worker writes it
  bool has_after_triggers = false;       // row triggers of users that fire after a change
  std::int64_t updates = 0;              // of it and its partitions, as far back as statistics go
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
