// Mode trigger: the table's own triggers write to staging, in the transaction that changes a row. So
// there is no feed; sweeps bring the rows that were there before, and those that a trigger missed.

#include <fmt/format.h>

#include "capture/modes.h"
#include "capture/sweep.h"
#include "capture/trigger_function.h"

namespace pgtally {
namespace {

class TriggerMode : public CaptureMode {
 public:
  std::string_view name() const override { return "trigger"; }
  std::string_view why() const override {
    return "triggers see each row as it is inserted, updated or deleted";
  }
  std::string_view own_column() const override { return ""; }
  bool finds_rows(const SourceText&) const override { return false; }

  std::vector<std::string> missing(const TableShape&,
                                   const std::vector<std::string>&) const override {
    return {};
  }

  std::string functions(const SourceText& source) const override {
    return sweep_function(source, "''", "true", true);
  }

  // What is there when the triggers are made is left to the first sweep.
  std::string begin(const SourceText&, bool) const override { return ""; }

  Result<void> accepts(const TableShape& table, bool track_changes) const override {
    if (track_changes || (table.kind != 'p' && table.ancestors.empty())) return {};
    return reject("an update that moves a row of " + table.qualified +
                      " to another partition is a delete and an insert to triggers, which would "
                      "record it twice",
                  "Track changes, too: --track-changes");
  }

  Result<std::string> trigger_functions(const TriggerRequest& request) const override {
    return trigger_function(request);
  }

  Result<std::string> triggers(const TriggerRequest& request) const override {
    TRY(std::string script, trigger_function(request));
    const std::string& table = request.definition.relation;
    const bool statements = captures_statements(request.shape, request.track_changes);
    std::vector<std::string> names;
    // The name comes first among the triggers of a table, which fire in the order of their names:
    // what another trigger changes then comes after what made it fire.
    const auto create = [&](const char* what, const char* event) {
      const std::string name =
          fmt::format("\"00_{}_{}_{}\"", request.text.schema, request.text.id, what);
      script += fmt::format("CREATE TRIGGER {} AFTER {}\n  EXECUTE FUNCTION {}.trigger_{}();\n",
                            name, fmt::format(fmt::runtime(event), table), request.text.schema,
                            request.text.id);
      names.push_back("ENABLE ALWAYS TRIGGER " + name);
    };
    script +=
        "-- Writers wait while this waits for other transactions, so it does not wait long.\n"
        "SET LOCAL lock_timeout = '1s';\n";
    if (statements) {
      const bool is_overtaken = request.track_changes && request.shape.has_after_triggers;
      create("insert", is_overtaken
                           ? "INSERT ON {} REFERENCING NEW TABLE AS added FOR EACH ROW"
                           : "INSERT ON {} REFERENCING NEW TABLE AS added FOR EACH STATEMENT");
    }
    if (request.track_changes) {
      create("change", statements ? "UPDATE OR DELETE ON {} FOR EACH ROW"
                                  : "INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW");
      create("truncate", "TRUNCATE ON {} FOR EACH STATEMENT");
    } else if (!statements) {
      create("insert", "INSERT ON {} FOR EACH ROW");
    }
    return script + fmt::format("ALTER TABLE {} {};\n", table, fmt::join(names, ", "));
  }
};

}  // namespace

const CaptureMode& trigger_mode() {
  static const TriggerMode mode;
  return mode;
}

}  // namespace pgtally
