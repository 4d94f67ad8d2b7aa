// SQL about table `endpoint`: the other databases that sources are in, and how to get there.
#pragma once

#include <string>

#include "ledger/ledger.h"
#include "pgtally/result.h"
#include "postgres/conninfo.h"

namespace pgtally {

struct EndpointText {
  std::string statement;    // registers it, if it is not known
  std::string id = "NULL";  // an expression
};

[[nodiscard]] Result<EndpointText> endpoint_text(const Ledger& ledger, const pg::Endpoint& endpoint,
                                                 bool with_password);

// Once no source and no stream needs it: where it was stays known, how to get in there does not.
// `id`: an expression.
[[nodiscard]] std::string forget_endpoint_text(const std::string& schema, const std::string& id);

}  // namespace pgtally
