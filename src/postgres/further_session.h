// How to open a further session beside one that is open: same server, database, user and settings.
#pragma once

#include <string>

#include "postgres/connection.h"

namespace pgtally::pg {

// As keywords and values, with the password that was used: for libpq at once, never to be kept or
// shown (conninfo.h makes what is kept).
[[nodiscard]] std::string conninfo_of(Connection& connection);

}  // namespace pgtally::pg
