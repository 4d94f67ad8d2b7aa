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
#include "pgtally/definition.h"
#include "pgtally/result.h"

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
  bool append = false;     // rows are appended to staging under this name; no table
  std::string writer;      // append: the role whose members may insert directly
  bool keep_data = false;  // append: keep the data in the log as well
};

// What adding the source would do.
struct SourcePlan {
  SourceDefinition definition;
  std::optional<TableShape> table;    // nothing for an append source
  const CaptureMode* mode = nullptr;  // null for an append source
  bool finds_rows = false;            // of a table: at once, or only by sweeps
  std::string why;                    // why this mode
  std::vector<std::string> warnings;
  std::vector<std::string> not_covered;  // columns whose change would not show
  std::string writer;
  bool keep_data = false;
};

[[nodiscard]] Result<SourcePlan> plan_source(const Ledger& ledger, CaptureModes modes,
                                             const SourceRequest& request);

// That the key names a row for ever: its columns exist, are not null, and are unique together.
[[nodiscard]] Result<void> check_key(const TableShape& table, const std::vector<std::string>& key);

}  // namespace pgtally
