// What the registry asks of a capture mode: how new rows of a table are found. The modes themselves
// are in src/capture, one file each; this interface stands here because this is who calls it.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/catalog.h"
#include "ledger/source_text.h"
#include "pgtally/result.h"
#include "postgres/connection.h"

namespace pgtally {

// What the triggers of a source are made from.
struct TriggerRequest {
  const SourceText& text;
  const SourceDefinition& definition;
  const TableShape& shape;
  std::string owner;  // of the ledger, quoted as SQL writes it
  bool track_changes = false;
  // Of triggers that are there: whether an insert fires them once for all its rows. Else it is chosen.
  std::optional<bool> by_statement = {};
};

class CaptureMode {
 public:
  virtual ~CaptureMode() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  // Why it suits a table that has what it needs, in a few words.
  [[nodiscard]] virtual std::string_view why() const = 0;
  // The SQL that would give the table what it lacks for this mode; empty if it can be used.
  [[nodiscard]] virtual std::vector<std::string> missing(
      const TableShape& table, const std::vector<std::string>& key) const = 0;
  // A column of the user's table that belongs to the mode and is no content; or none.
  [[nodiscard]] virtual std::string_view own_column() const = 0;
  // Whether rows are found at once, or only by sweeps over the whole table.
  [[nodiscard]] virtual bool finds_rows(const SourceText& source) const = 0;
  // CREATE FUNCTION statements: feed_N and waiting_N where finds_rows(), and always sweep_N. What
  // they return is declared in sql/migrations and used by pending(), waiting() and sweep_step().
  [[nodiscard]] virtual std::string functions(const SourceText& source) const = 0;
  // The statements that store where capture begins, in the transaction that adds the source; with
  // `skip_existing`, those that keep the rows that are there now out of the log.
  [[nodiscard]] virtual std::string begin(const SourceText& source, bool skip_existing) const = 0;

  // The same for a table of another database, from what is there now. kReject if the mode cannot read
  // other databases. Neither this nor functions() is needed where a reader brings the rows.
  using Beginning = std::function<std::string(const SourceText&)>;
  [[nodiscard]] virtual Result<Beginning> begin_elsewhere(pg::Connection& there,
                                                          const SourceText& source,
                                                          bool skip_existing) const;

  // kReject where it would not see rightly what becomes of the table's rows.
  [[nodiscard]] virtual Result<void> accepts(const TableShape&, bool /*track_changes*/) const {
    return {};
  }
  // What it puts on the user's own table: CREATE TRIGGER …, and the functions that these call. Runs
  // last in the transaction that adds the source, because writers wait from here to its end.
  [[nodiscard]] virtual Result<std::string> triggers(const TriggerRequest&) const {
    return std::string();
  }
  // The functions alone, written anew for triggers that are there.
  [[nodiscard]] virtual Result<std::string> trigger_functions(const TriggerRequest&) const {
    return std::string();
  }
};

// In the order in which they are preferred.
using CaptureModes = std::span<const CaptureMode* const>;

}  // namespace pgtally
