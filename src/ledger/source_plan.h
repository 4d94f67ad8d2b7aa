// What adding a source would mean: its definition, and what its user should know before.
//
// Planning reads the catalog and changes nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ledger/capture_mode.h"
#include "ledger/catalog.h"
#include "ledger/ledger.h"
#include "ledger/server_check.h"
#include "pgtally/definition.h"
#include "pgtally/result.h"
#include "postgres/conninfo.h"

namespace pgtally {

// What `source add` was asked for. Empty means: choose.
struct SourceRequest {
  std::string name;
  std::string table;
  std::vector<std::string> key;
  std::string mode;
  std::string time;  // column that source_time comes from
  std::string hash_column;
  std::vector<std::string> columns;  // cover only these
  std::vector<std::string> exclude;  // cover all but these
  bool blind = true;
  std::string database;        // where the table is: a URI; empty: the ledger's own database
  bool track_changes = false;  // mode trigger: updates and deletes are entries, too
  bool skip_existing = false;  // rows that are there already are not recorded
  bool append = false;         // rows are appended to staging under this name; no table
  std::string writer;          // append: the role whose members may insert directly
  bool keep_data = false;      // append: keep the data in the log as well
};

// The warning that goes with every source that has a key.
inline constexpr const char* kKeysArePublic =
    "keys and positions are public for ever: no personal data belongs in them";

// What adding the source would do.
struct SourcePlan {
  SourceDefinition definition;
  std::optional<TableShape> table;    // nothing for an append source
  const CaptureMode* mode = nullptr;  // null for an append source
  bool track_changes = false;         // updates and deletes are entries, too
  bool skip_existing = false;         // rows that are there already are not recorded
  bool finds_rows = false;            // of a table: at once, or only by sweeps
  std::string why;                    // why this mode
  std::string key_why;                // why this key, or why none; empty: it was asked for
  std::vector<std::string> warnings;
  std::vector<std::string> not_covered;  // columns whose change would not show
  std::string writer;
  bool keep_data = false;
  // Of a table in another database: where that is, and how capture begins there.
  std::optional<pg::Endpoint> endpoint;
  CaptureMode::Beginning begin_elsewhere;
  std::string also;  // statements that go into the transaction which adds it
};

// Where tables are, and on whose behalf they will be read.
struct SourcePlace {
  pg::Connection* connection = nullptr;  // after prepare_session()
  std::string schema;                    // the ledger's
  std::string reader;                    // the role that will read: the ledger's owner, or who
                                         // connects to another database
  ServerFacts server;
  bool remote = false;  // not the ledger's own database
};

// The ledger's own database.
[[nodiscard]] Result<SourcePlace> place_of(const Ledger& ledger);

// What a table would be as a source, but for what only the ledger knows: whether the name is free,
// and what is a source already. Needs no ledger.
[[nodiscard]] Result<SourcePlan> plan_table(const SourcePlace& place, CaptureModes modes,
                                            const SourceRequest& request);

[[nodiscard]] Result<SourcePlan> plan_source(const Ledger& ledger, CaptureModes modes,
                                             const SourceRequest& request);

// That the key names a row for ever: its columns exist, are not null, and are unique together.
[[nodiscard]] Result<void> check_key(const TableShape& table, const std::vector<std::string>& key);

}  // namespace pgtally
