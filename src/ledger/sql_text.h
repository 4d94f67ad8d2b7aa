// The SQL of sql/, which is compiled in, and its adaption to one ledger.
//
// In the files the schema is called pgtally and its roles pgtally_writer, pgtally_sequencer and
// pgtally_reader; a ledger may give all of them other names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgtally {

struct SqlFile {
  std::string_view name;
  std::string_view text;
};

// In the order in which they have to be applied.
[[nodiscard]] const std::vector<SqlFile>& sql_migrations();
[[nodiscard]] const std::vector<SqlFile>& sql_functions();

struct SchemaNames {
  std::string schema = "pgtally";
  // Empty: the ledger has no roles of its own, and nothing is granted.
  std::string writer;
  std::string sequencer;
  std::string reader;

  [[nodiscard]] bool has_roles() const { return !writer.empty(); }
};

// <database>_<schema>_writer and so on, because all databases of a cluster share their roles.
[[nodiscard]] SchemaNames with_roles(const std::string& database, const std::string& schema);

// `sql` with `pgtally.`, `SCHEMA pgtally` and the roles in it replaced by the names of this ledger.
[[nodiscard]] std::string adapted(std::string_view sql, const SchemaNames& names);

}  // namespace pgtally
