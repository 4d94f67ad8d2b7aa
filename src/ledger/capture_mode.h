// What the registry asks of a capture mode: how new rows of a table are found. The modes themselves
// are in src/capture, one file each; this interface stands here because this is who calls it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/catalog.h"
#include "ledger/source_text.h"

namespace pgtally {

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
  // The statement that stores where capture begins, in the transaction that adds the source.
  [[nodiscard]] virtual std::string begin(const SourceText& source) const = 0;
};

// In the order in which they are preferred.
using CaptureModes = std::span<const CaptureMode* const>;

}  // namespace pgtally
