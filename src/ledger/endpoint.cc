#include "ledger/endpoint.h"

#include <fmt/format.h>

#include "postgres/quote.h"

namespace pgtally {

Result<EndpointText> endpoint_text(const Ledger& ledger, const pg::Endpoint& endpoint,
                                   bool with_password) {
  EndpointText text;
  TRY(const auto conninfo, pg::quote_literal(with_password ? endpoint.conninfo : endpoint.shown));
  TRY(const auto place, pg::quote_literal(endpoint.place));
  if (!with_password && endpoint.shown != endpoint.conninfo) {
    text.statement =
        "-- The password is left out: add password=... to each of the connection strings.\n";
  }
  text.statement += fmt::format(
      "INSERT INTO {}.endpoint (conninfo, place) VALUES ({}, {}) ON CONFLICT (conninfo) DO "
      "NOTHING;\n",
      ledger.schema(), conninfo, place);
  text.id = fmt::format("(SELECT endpoint_id FROM {}.endpoint WHERE conninfo = {})",
                        ledger.schema(), conninfo);
  return text;
}

std::string forget_endpoint_text(const std::string& schema, const std::string& id) {
  return fmt::format(
      "UPDATE {0}.endpoint AS e SET conninfo = format('(gone: endpoint %s)', endpoint_id)\n"
      " WHERE endpoint_id = {1}\n"
      "   AND NOT EXISTS (SELECT FROM {0}.source AS s\n"
      "        WHERE s.endpoint_id = e.endpoint_id AND s.state <> 'removed')\n"
      "   AND NOT EXISTS (SELECT FROM {0}.stream AS t WHERE t.endpoint_id = e.endpoint_id);\n",
      schema, id);
}

}  // namespace pgtally
