// From the changes of a stream to rows for staging, under each source's definition.
//
// A change that a source cannot take (a key column is gone, a value is missing) breaks that source and
// no other: its changes are dropped from there on, until it is mended and resynchronised.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "capture/change_stream.h"
#include "capture/logical_fit.h"
#include "capture/logical_store.h"
#include "format/row_encoder.h"
#include "ledger/stager.h"

namespace pgtally {

// What one transaction of the ledger takes in.
struct ChangeBatch {
  struct NewDefinition {
    StreamSource source;  // with the columns that it knows from now on
    std::string document;
  };
  struct Breakdown {
    StreamSource source;
    Error error;
  };
  std::vector<NewDefinition> definitions;
  std::vector<StagedRow> rows;
  std::vector<Breakdown> breakdowns;

  [[nodiscard]] bool empty() const {
    return definitions.empty() && rows.empty() && breakdowns.empty();
  }
};

class ChangeEncoder {
 public:
  // Adds what the change means for those of `sources` whose table it is, and changes them where their
  // definition or state changes with it. `database` is a session in the database of the stream. An
  // error is the ledger's, the database's or passing, never that of one source.
  [[nodiscard]] Result<void> put(const Ledger& ledger, pg::Connection& database,
                                 std::vector<StreamSource>& sources,
                                 const CommittedTransaction& transaction, const Change& change,
                                 ChangeBatch& batch);

 private:
  // A source's table as one description of it had it.
  struct Target {
    std::shared_ptr<const StreamedTable> table;  // keeps the address in the map's key its own
    SourceDefinition definition;
    std::optional<RowEncoder> encoder;  // always there
    std::vector<std::size_t> needed;    // places of the values that an entry is made of
    bool position_is_key = false;
  };
  using Values = std::vector<std::optional<std::string_view>>;

  [[nodiscard]] Result<const Target*> target(const Ledger& ledger, pg::Connection& database,
                                             StreamSource& source, const Change& change,
                                             ChangeBatch& batch);
  [[nodiscard]] Result<void> encode(const StreamSource& source, const Target& target,
                                    const CommittedTransaction& transaction, const Change& change,
                                    std::vector<StagedRow>& rows);
  // The new row, or the old one; refuses where a value that is needed did not come.
  [[nodiscard]] Result<void> take_values(const Target& target, const pgoutput::Values& values);

  std::map<std::pair<const StreamedTable*, std::int32_t>, Target> targets_;
  std::map<std::int32_t, SourceDefinition> definitions_;
  Values values_;
};

// How a source that broke is written down: to be resynchronised once it is mended.
void break_down(StreamSource& source);

}  // namespace pgtally
