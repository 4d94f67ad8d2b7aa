// Mode logical, as the registry sees it: no SQL of the ledger reads the table, so there is nothing to
// generate. What makes it work is in logical.h.

#include "capture/modes.h"

namespace pgtally {
namespace {

class LogicalMode : public CaptureMode {
 public:
  std::string_view name() const override { return "logical"; }
  std::string_view why() const override {
    return "every change is read from the server's log, and writers notice nothing";
  }
  std::string_view own_column() const override { return ""; }
  bool finds_rows(const SourceText&) const override { return false; }
  std::vector<std::string> missing(const TableShape&,
                                   const std::vector<std::string>&) const override {
    return {};
  }
  std::string functions(const SourceText&) const override { return ""; }
  std::string begin(const SourceText&, bool) const override { return ""; }
  Result<Beginning> begin_elsewhere(pg::Connection&, const SourceText&, bool) const override {
    return Beginning([](const SourceText&) { return std::string(); });
  }
};

}  // namespace

const CaptureMode& logical_mode() {
  static const LogicalMode mode;
  return mode;
}

}  // namespace pgtally
