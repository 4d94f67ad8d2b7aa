// Which capture mode suits a table, and which key names its rows, where nobody has said.
//
// Pure: decides from what catalog.h and server_check.h have read. The rule, first that fits:
//   1. xid      the table has its xid column, which nobody can forge, and the index on it;
//   2. poll     its rows were never updated or deleted, and its key is one integer;
//   3. logical  the server can stream its changes, and its replica identity suffices: it has the key
//               of changed rows, and no covered value is missing from the stream;
//   4. trigger  its rows are updated or deleted, and the user may create triggers on it; changes are
//               then tracked;
//   5. poll     with a warning that says what it does not see, and what stood in the way of 3 and 4.
// A table without a key can be captured by logical only. A mode that is not among `modes` is passed
// over.
#pragma once

#include <string>
#include <vector>

#include "ledger/capture_mode.h"
#include "ledger/catalog.h"
#include "ledger/server_check.h"
#include "pgtally/result.h"

namespace pgtally {

// What a mode lacks. `remedy` is SQL, or a comment in SQL where nothing can be run.
struct Obstacle {
  std::string what;
  std::string remedy;
};

// What the choice is made for. `remote`: the table is not in the ledger's own database.
struct ModeQuestion {
  const TableShape& table;
  const ServerFacts& server;  // where the table is
  const std::vector<std::string>& key;
  bool remote = false;
  bool track_changes = false;          // whether updates and deletes have to be recorded
  std::vector<std::string> covered{};  // columns whose values are wanted
};

// What stands between the table and this mode; empty if it can be used.
[[nodiscard]] std::vector<Obstacle> obstacles(const CaptureMode& mode,
                                              const ModeQuestion& question);

struct ModeChoice {
  const CaptureMode* mode = nullptr;
  std::string why;  // in one line
  bool track_changes = false;
  std::vector<std::string> warnings;
};

// `asked_for` is the name of a mode, or empty. kReject names what is missing and the SQL for it.
[[nodiscard]] Result<ModeChoice> choose_mode(CaptureModes modes, const ModeQuestion& question,
                                             const std::string& asked_for);

struct KeyChoice {
  std::vector<std::string> columns;  // empty: the table has none that could be used
  std::string why;                   // why this one, or why none
};

// The primary key, else the only unique key that can be one. kReject if there are several.
[[nodiscard]] Result<KeyChoice> choose_key(const TableShape& table);

}  // namespace pgtally
