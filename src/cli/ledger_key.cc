#include "cli/ledger_key.h"

#include "base/encoding.h"
#include "postgres/quote.h"

namespace pgtally::cli {

Result<std::string> ledger_vkey(Context& context) {
  const std::string& schema = context.globals().schema;
  TRY(const std::string table, pg::quote_qualified(schema, "ledger"));
  TRY(pg::Connection * connection, context.database().connect());
  auto rows = connection->query("SELECT vkey FROM " + table);
  constexpr std::string_view kUndefinedTable = "42P01";
  if (!rows.ok() && connection->last_sqlstate() != kUndefinedTable) return std::move(rows).error();
  if (!rows.ok() || rows->empty()) {
    return operator_error("there is no ledger in schema " + pgtally::quoted(schema),
                          "Make one with `pgtally init --origin NAME`, or name another database or "
                          "schema.");
  }
  return rows->get<std::string>(0, 0);
}

}  // namespace pgtally::cli
