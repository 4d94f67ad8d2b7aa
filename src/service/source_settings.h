// The sources that a configuration file names: one [[source]] table each, with what
// `pgtally source add` takes.
//
//   [[source]]
//   name    = "payment"
//   table   = "public.payment"
//   key     = "id"                # or ["order_id", "number"]; without it, the table's own key
//   mode    = "poll"              # without it, it is chosen
//   time    = "booked_at"
//   exclude = ["note"]            # or columns = […], or hash_column = "…"
//   blind   = true
//   track_changes = false
//   existing = "record"           # or "skip"
//   database = "postgresql://…"   # where the table is; without it, in the ledger's own database
//
//   [[source]]
//   name   = "events"
//   append = true                 # no table; writer = "role", keep_data = true go with it
#pragma once

#include <string>

#include "ledger/source_plan.h"

namespace pgtally {

struct SourceTable {
  SourceRequest request;
  std::string place;  // "pgtally.toml, line 12"
};

}  // namespace pgtally
